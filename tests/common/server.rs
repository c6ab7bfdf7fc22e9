//! Real servers of PostgreSQL and MariaDB, each a private process of the test binary.
//!
//! Promises: nothing of the machine's own servers is touched; a server listens on a free port of the
//! loopback address and in a folder of its own, and both are gone soon after the test binary is,
//! however that ends: it holds the other end of the server's standard input.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::skipped;

/// The password of the tests' user, which must be seen nowhere.
pub const PASSWORD: &str = "s3cr3t-0f-the-tests";

/// A user who is let in encrypted only, once a test has made it.
pub const SEALED: &str = "sealed";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB; or MySQL, where the environment names a folder with its programs
    /// (CODEX_ARCHIVE_TEST_MYSQL, which tests/mysql sets).
    Mariadb,
}

/// The folder of MySQL's programs, where MySQL stands for MariaDB.
fn mysql() -> Option<PathBuf> {
    std::env::var_os("CODEX_ARCHIVE_TEST_MYSQL").map(PathBuf::from)
}

impl Kind {
    /// How `schema` calls what this server speaks.
    pub fn dialect(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb if mysql().is_some() => "mysql",
            Self::Mariadb => "mariadb",
        }
    }
}

/// The client program of MariaDB, or of MySQL.
pub fn mariadb_client() -> Command {
    Command::new(mysql().map_or("mariadb".into(), |folder| folder.join("mysql")))
}

/// The server that all archives of these tests are on, where the environment names one
/// (CODEX_ARCHIVE_TEST_BACKEND: postgres or mariadb).
pub fn chosen() -> Option<&'static Server> {
    match std::env::var("CODEX_ARCHIVE_TEST_BACKEND").as_deref() {
        Ok("postgres") => Server::of(Kind::Postgres),
        Ok("mariadb") => Server::of(Kind::Mariadb),
        _ => None,
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Which one.
    pub kind: Kind,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its folder.
    pub folder: PathBuf,
    databases: AtomicU32,
    // The server ends when this is closed.
    _lifeline: ChildStdin,
}

impl Server {
    /// The server of this test binary; `None` (and a failure in CI) where it is not installed.
    pub fn of(kind: Kind) -> Option<&'static Self> {
        static POSTGRES: OnceLock<Option<Server>> = OnceLock::new();
        static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
        let cell = match kind {
            Kind::Postgres => &POSTGRES,
            Kind::Mariadb => &MARIADB,
        };
        cell.get_or_init(|| Self::start(kind)).as_ref()
    }

    /// Starts another server of this kind.
    pub fn start(kind: Kind) -> Option<Self> {
        Self::start_in(kind, tempfile::tempdir().unwrap().keep(), &[])
    }

    /// A MariaDB that has room for some 10 MB more than its own tables take.
    pub fn start_small() -> Option<Self> {
        let room = ["--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:24M"];
        Self::start_in(Kind::Mariadb, tempfile::tempdir().unwrap().keep(), &room)
    }

    /// A PostgreSQL that follows this one, and can only be read.
    pub fn standby(&self) -> Self {
        let programs = Programs::of(self.kind).unwrap();
        let folder = tempfile::tempdir().unwrap().keep();
        certificates(&folder);
        programs.hand_over(&folder);
        let mut copy = programs.command("pg_basebackup");
        copy.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", "codex"]);
        run(copy.args(["-R", "-c", "fast", "-D"]).arg(folder.join("data")));
        let port = free_port();
        let lifeline = start_postgres(&programs, &folder, port);
        let databases = AtomicU32::new(0);
        let server = Self { kind: self.kind, port, folder, databases, _lifeline: lifeline };
        server.wait();
        server
    }

    fn start_in(kind: Kind, folder: PathBuf, arguments: &[&str]) -> Option<Self> {
        let Some(programs) = Programs::of(kind) else {
            skipped(&format!("{kind:?} (its server is not installed)"));
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "{kind:?} is not installed");
            return None;
        };
        let port = free_port();
        let lifeline = match kind {
            Kind::Postgres => postgres(&programs, &folder, port),
            Kind::Mariadb => mariadb(&programs, &folder, port, arguments),
        };
        let server = Self { kind, port, folder, databases: AtomicU32::new(0), _lifeline: lifeline };
        server.wait();
        if kind == Kind::Mariadb {
            let user = format!(
                "CREATE USER codex@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO codex@'%'
                 WITH GRANT OPTION"
            );
            server.sql("", &user);
        }
        Some(server)
    }

    /// Waits until the server answers.
    pub fn wait(&self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            let answers = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            let asked = || self.client("").arg(self.flag()).arg("SELECT 1").output().unwrap();
            if answers && asked().status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("{:?} does not start:\n{log}", self.kind);
    }

    /// Kills the server as a crash would; it comes back by itself.
    pub fn kill(&self) {
        let id = fs::read_to_string(self.folder.join("pid")).unwrap();
        run(Command::new("kill").args(["-9", id.trim()]));
    }

    /// A new database; its name.
    pub fn database(&self) -> String {
        let name = format!("archive_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The URL of a database, with its password.
    pub fn url(&self, database: &str) -> String {
        let scheme = match self.kind {
            Kind::Postgres => "postgresql",
            Kind::Mariadb => "mariadb",
        };
        format!("{scheme}://codex:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The server's own client program, as its superuser.
    pub fn client(&self, database: &str) -> Command {
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = Command::new("psql");
                command.args([
                    "-X",
                    "-q",
                    "-A",
                    "-t",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-U",
                    "codex",
                    "-h",
                ]);
                command.arg(&self.folder).args(["-p", &self.port.to_string(), "-d"]);
                command.arg(if database.is_empty() { "postgres" } else { database });
                command
            }
            Kind::Mariadb => {
                let mut command = mariadb_client();
                command.args(["--no-defaults", "-N", "-B", "-u", "root", "-S"]);
                command
                    .arg(self.folder.join("s"))
                    .args(["-D", if database.is_empty() { "mysql" } else { database }]);
                command
            }
        };
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn flag(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "-c",
            Kind::Mariadb => "-e",
        }
    }

    /// Runs SQL by the server's own client program; what it prints.
    #[track_caller]
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut command = self.client(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A port of this machine where nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a server's programs are, and as whom they run: none of them likes root.
struct Programs {
    folder: PathBuf,
    user: Option<&'static str>,
}

impl Programs {
    fn of(kind: Kind) -> Option<Self> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|meta| {
            use std::os::unix::fs::MetadataExt;
            meta.uid() == 0
        });
        if let (Kind::Mariadb, Some(folder)) = (kind, mysql()) {
            return Some(Self { folder, user: is_root.then_some("mysql") });
        }
        let (program, user, mut folders) = match kind {
            Kind::Postgres => ("postgres", "postgres", versions("/usr/lib/postgresql")),
            Kind::Mariadb => ("mariadbd", "mysql", vec!["/usr/sbin".into(), "/usr/libexec".into()]),
        };
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let folder = folders.into_iter().find(|folder| folder.join(program).exists())?;
        Some(Self { folder, user: is_root.then_some(user) })
    }

    /// `program` of this server, or of the path, as the server's user.
    fn command(&self, program: &str) -> Command {
        let own = self.folder.join(program);
        let program = if own.exists() { own } else { program.into() };
        let Some(user) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        command.arg("--clear-groups").arg(program);
        command
    }

    /// Gives `folder` to the server's user.
    fn hand_over(&self, folder: &Path) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(user) = self.user {
            run(Command::new("chown").arg("-R").arg(format!("{user}:")).arg(folder));
        }
    }
}

/// The newest installed version first.
fn versions(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map(|dir| dir.flatten().map(|it| it.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    found.reverse();
    found
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a server, again when it was killed, until nobody holds its standard input any more; then
/// removes its folder.
fn guarded(mut server: Command, folder: &Path) -> ChildStdin {
    let log = fs::File::create(folder.join("log")).unwrap();
    let script = "(while :; do \"$@\" </dev/null & echo $! >\"$0/pid\"; wait; sleep 0.2; done) &
        loop=$!; cat >/dev/null; kill -9 $loop $(cat \"$0/pid\"); wait; rm -rf \"$0\"";
    let mut guard = Command::new("setsid");
    guard.args(["sh", "-c", script]).arg(folder).arg(server.get_program()).args(server.get_args());
    guard.current_dir("/").stdin(Stdio::piped());
    guard.stdout(log.try_clone().unwrap()).stderr(log);
    server.stdin(Stdio::null());
    guard.spawn().unwrap().stdin.take().unwrap()
}

/// An authority (`ca.crt`) and a certificate of it for the name `localhost`.
fn certificates(folder: &Path) {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        run(command.current_dir(folder).args(line.split(' ')));
    };
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.crt"));
    openssl(&format!("{new} -subj /CN=localhost -keyout server.key -out server.csr"));
    let sign = "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2";
    openssl(&format!("{sign} -extfile names -out server.crt"));
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn postgres(programs: &Programs, folder: &Path, port: u16) -> ChildStdin {
    fs::write(folder.join("password"), PASSWORD).unwrap();
    certificates(folder);
    programs.hand_over(folder);
    let data = folder.join("data");
    run(programs
        .command("initdb")
        .args(["-U", "codex", "-E", "UTF8", "--locale=C", "--no-sync", "--auth-local=trust"])
        .args(["--auth-host=scram-sha-256", "--pwfile"])
        .arg(folder.join("password"))
        .arg("-D")
        .arg(&data));
    let rules = data.join("pg_hba.conf");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("hostnossl all {SEALED} all reject\n{text}")).unwrap();
    start_postgres(programs, folder, port)
}

fn start_postgres(programs: &Programs, folder: &Path, port: u16) -> ChildStdin {
    let mut server = programs.command("postgres");
    server
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"])
        .arg(folder);
    server.args(["-c", "ssl=on"]);
    for (setting, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
        server.arg("-c").arg(format!("{setting}={}", folder.join(file).display()));
    }
    // Nothing here outlives the tests.
    for setting in ["fsync=off", "shared_buffers=64MB", "max_connections=150"] {
        server.args(["-c", setting]);
    }
    guarded(server, folder)
}

fn mariadb(programs: &Programs, folder: &Path, port: u16, more: &[&str]) -> ChildStdin {
    certificates(folder);
    programs.hand_over(folder);
    let data = folder.join("data");
    let data_argument = format!("--datadir={}", data.display());
    let mut server = if let Some(mysql) = mysql() {
        let texts = mysql.join("root/usr/share/mysql");
        let place = format!("--lc-messages-dir={}", texts.display());
        let mut install = programs.command("mysqld");
        install.args(["--no-defaults", "--initialize-insecure", &data_argument, &place]);
        run(install.args(more));
        let mut server = programs.command("mysqld");
        server.args(["--no-defaults", "--mysqlx=OFF", "--skip-log-bin", "--secure-file-priv=NULL"]);
        server.arg(&place);
        server
    } else {
        let install =
            ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"];
        run(programs.command("mariadb-install-db").args(install).arg(&data_argument).args(more));
        let mut server = programs.command("mariadbd");
        server.arg("--no-defaults");
        server
    };
    server.args([&data_argument, "--bind-address=127.0.0.1"]);
    // Another server that starts takes away what it finds of its kind in a common one.
    server.arg(format!("--tmpdir={}", folder.display()));
    server.arg(format!("--port={port}")).arg(format!("--socket={}", folder.join("s").display()));
    server.arg(format!("--ssl-cert={}", folder.join("server.crt").display()));
    server.arg(format!("--ssl-key={}", folder.join("server.key").display()));
    server.args(["--innodb-flush-log-at-trx-commit=2", "--max-connections=150"]);
    server.args(["--skip-name-resolve", "--innodb-buffer-pool-size=64M"]).args(more);
    guarded(server, folder)
}
