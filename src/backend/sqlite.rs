//! SQLite, embedded: the archive as one file.
//!
//! Promises: a commit is durable before it returns; a file that is not ours, or that carries
//! triggers, is refused; deleted content is overwritten.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use crate::error::{Error, Failure, Result};
use crate::fs as files;

use super::dialect::SQLITE_APPLICATION_ID as APPLICATION_ID;
use super::migrate::guards;
use super::{Access, Dialect, Driver, Row, Scrub, Value};

/// What a statement may do. The longest value that we write is a block of evidence, which has at
/// most 16 MiB before it is compressed.
const LIMITS: &[(Limit, i32)] = &[
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LENGTH, 32 << 20),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
];

/// How much of the database is kept in memory. What many small files need of indexes fits; content
/// passes through.
const CACHE_KIB: u32 = 16 << 10;

/// Pages of the write-ahead log from which on it is written back: 64 MiB. A shorter one is written
/// back once, when the command ends.
const LOG_PAGES: u32 = 16 << 10;

/// Pages that are copied at once.
const COPY_PAGES: i32 = 1024;

/// How long to wait before a copy that found the database locked goes on.
const PAUSE: Duration = Duration::from_millis(20);

/// How long another process's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same where what is not done now is told, and done later.
const SCRUB_PATIENCE: Duration = Duration::from_secs(2);

/// A connection to an archive in a file.
pub struct Sqlite {
    connection: Connection,
    place: String,
    /// Whether the file has no name, so that no file can stand beside it.
    is_nameless: bool,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl Sqlite {
    /// Opens the archive in `file`. A missing one is [`Error::NoArchive`] unless it may be made.
    pub fn open(file: &Path, access: Access) -> Result<Self> {
        let place = file.display().to_string();
        if access != Access::Create && !file.exists() {
            return Err(Error::NoArchive { action: "open the archive", place });
        }
        let connection = connect(file, access).map_err(|e| wrap("open", &place, e))?;
        let mut this = Self { connection, place, is_nameless: false };
        match this.prepare(access) {
            Err(error) if access == Access::Read && has_no_room(&error) => {
                this.connection = connect_without_side_files(file).map_err(|_| error)?;
                this.prepare(access)?;
            }
            done => done?,
        }
        Ok(this)
    }

    fn prepare(&mut self, access: Access) -> Result<()> {
        let place = self.place.clone();
        let failed = |e| wrap("open", &place, e);
        let connection = &self.connection;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
            .map_err(failed)?;
        // Else a statement is planned anew for every value that is bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        for (limit, most) in LIMITS {
            connection.set_limit(*limit, *most).map_err(failed)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        let pragma = |text: &str| connection.execute_batch(text).map_err(failed);
        pragma("PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;")?;
        let found: i64 =
            connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
        let tables: i64 = connection
            .query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if tables > 0 && found != APPLICATION_ID {
            return Err(Error::damaged(
                "archive",
                &self.place,
                "it is a database of something else",
            ));
        }
        if access == Access::Read {
            return pragma("PRAGMA query_only=ON;");
        }
        if tables == 0 {
            pragma(&format!("PRAGMA application_id={APPLICATION_ID};"))?;
        }
        // A trigger of somebody else's must not see even these.
        self.refuse_triggers()?;
        pragma(match self.is_nameless {
            // What is lost in a crash is gone with the file in any case.
            true => "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;",
            false => "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        })?;
        pragma(&format!(
            "PRAGMA secure_delete=ON; PRAGMA cache_size=-{CACHE_KIB};
             PRAGMA wal_autocheckpoint={LOG_PAGES};"
        ))
    }

    fn refuse_triggers(&self) -> Result<()> {
        let failed = |error| wrap("open", &self.place, error);
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger'";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let ours = guards();
        for text in texts {
            if !ours.contains(&text.map_err(failed)?) {
                let why = "it has triggers that are not ours";
                return Err(Error::damaged("archive", &self.place, why));
            }
        }
        Ok(())
    }
}

fn connect(file: &Path, access: Access) -> rusqlite::Result<Connection> {
    let base = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let write = base | OpenFlags::SQLITE_OPEN_READ_WRITE;
    match access {
        Access::Create => Connection::open_with_flags(file, write | OpenFlags::SQLITE_OPEN_CREATE),
        Access::Write => Connection::open_with_flags(file, write),
        // Opened for writing where possible: a pure reader of a write-ahead log leaves its
        // side files behind.
        Access::Read => Connection::open_with_flags(file, write).or_else(|_| {
            Connection::open_with_flags(file, base | OpenFlags::SQLITE_OPEN_READ_ONLY)
        }),
    }
}

/// Whether SQLite could not make its side files: a full disk, or one that may only be read.
fn has_no_room(error: &Error) -> bool {
    let Error::Backend { source, .. } = error else { return false };
    let code =
        source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    let codes = [
        ErrorCode::CannotOpen,
        ErrorCode::DiskFull,
        ErrorCode::SystemIoFailure,
        ErrorCode::ReadOnly,
    ];
    code.is_some_and(|code| codes.contains(&code))
}

/// Opens an archive for reading where no side file can be made. With a full disk it is read alone,
/// by nobody else at the same time. Where nothing may be written at all, nobody changes it while it
/// is read; a write-ahead log that was left there could not be followed, so that is refused.
fn connect_without_side_files(file: &Path) -> rusqlite::Result<Connection> {
    if !crate::fs::is_read_only(file) {
        let connection = connect(file, Access::Write)?;
        connection.execute_batch("PRAGMA locking_mode=EXCLUSIVE;")?;
        return Ok(connection);
    }
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(log).is_ok_and(|meta| meta.len() > 0) {
        return Err(rusqlite::Error::InvalidPath(file.to_owned()));
    }
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

fn wrap(action: &'static str, place: &str, error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    if matches!(code, Some(ErrorCode::NotADatabase)) {
        return Error::damaged("archive", place, "it is not a SQLite database");
    }
    if matches!(code, Some(ErrorCode::DatabaseCorrupt)) {
        return Error::damaged("archive", place, error.to_string());
    }
    let failure = match code {
        // Half a minute was waited for it already.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Lost,
        _ => Failure::Lasting,
    };
    Error::Backend { action, place: place.to_owned(), failure, source: Box::new(error) }
}

/// Copies a database as it is at one moment; others go on writing to it.
fn copy_pages(from: &Connection, into: &mut Connection) -> rusqlite::Result<()> {
    // The copy is worth nothing before it is whole, so it needs no journal.
    into.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")?;
    // In one step: between two, somebody's write would begin it anew.
    Backup::new(from, into)?.run_to_completion(i32::MAX, PAUSE, None)
}

/// What every database of SQLite begins with.
pub const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Where the header says whether a write-ahead log is kept, and that none is.
const WITHOUT_LOG: (u64, [u8; 2]) = (18, [1, 1]);

/// A database in a file without a name: nobody else opens it, it is gone when the program ends, and
/// nothing of it comes to stand beside it.
pub struct SqliteScratch {
    file: File,
    // Opened while the file had a name; the first is used to copy into it.
    filler: Connection,
    connection: Connection,
    place: String,
}

impl SqliteScratch {
    /// An empty file on the file system of `folder`; messages call it `place`.
    pub fn create(folder: &Path, place: &str) -> Result<Self> {
        let folder = folder.canonicalize().map_err(Error::io("open", folder))?;
        let mut temp = files::TempFile::create_private(&folder)?;
        let failed = |e| wrap("open", place, e);
        let filler = connect(temp.path(), Access::Write).map_err(failed)?;
        let connection = connect(temp.path(), Access::Write).map_err(failed)?;
        let file = temp.file()?.try_clone().map_err(Error::io("open", &folder))?;
        // Its name goes with it.
        drop(temp);
        Ok(Self { file, filler, connection, place: place.to_owned() })
    }

    /// The file, to write a database into.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Copies the database `from` into it, as it is at one moment, whoever writes to it meanwhile.
    pub fn copy_from(&mut self, from: &Path) -> Result<()> {
        let shown = from.display().to_string();
        let failed = |e| wrap("copy", &shown, e);
        let from = from.canonicalize().map_err(Error::io("open", from))?;
        let source = connect(&from, Access::Read).map_err(failed)?;
        source.busy_timeout(PATIENCE).map_err(failed)?;
        source.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
        // What was read is left as it stands, its log included.
        source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        copy_pages(&source, &mut self.filler).map_err(failed)
    }

    /// Says in the database's header that it has no write-ahead log: none could stand beside it.
    pub fn end_log(&mut self) -> Result<()> {
        let (at, bytes) = WITHOUT_LOG;
        self.file.write_all_at(&bytes, at).map_err(Error::io("write", &self.place))
    }

    /// The archive in it, and the file. What is written to it is in the file when it is committed.
    pub fn open(mut self, access: Access) -> Result<(Sqlite, File)> {
        self.end_log()?;
        self.open_as(access)
    }

    /// A new archive in the file, which is empty.
    pub fn open_empty(self) -> Result<(Sqlite, File)> {
        self.open_as(Access::Create)
    }

    fn open_as(self, access: Access) -> Result<(Sqlite, File)> {
        let Self { file, connection, place, .. } = self;
        let mut this = Sqlite { connection, place, is_nameless: true };
        this.connection
            // Before anything is written: no journal can stand beside it.
            .execute_batch("PRAGMA temp_store=MEMORY; PRAGMA journal_mode=MEMORY;")
            .map_err(|e| wrap("open", &this.place, e))?;
        this.prepare(access)?;
        Ok((this, file))
    }
}

impl Driver for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let failed = |e| wrap("read", &self.place, e);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let value = |column| match row.get_ref(column) {
                Ok(ValueRef::Integer(value)) => Ok(Value::Int(value)),
                Ok(ValueRef::Text(value)) => {
                    Ok(Value::Text(String::from_utf8_lossy(value).into_owned()))
                }
                Ok(ValueRef::Blob(value)) => Ok(Value::Bytes(value.to_vec())),
                Ok(ValueRef::Null | ValueRef::Real(_)) => Ok(Value::Null),
                Err(error) => Err(failed(error)),
            };
            out.push(Row::new((0..columns).map(value).collect::<Result<_>>()?));
        }
        Ok(out)
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let failed = |e| wrap("write", &self.place, e);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.execute(params_from_iter(parameters)).map(|n| n as u64).map_err(failed)
    }

    fn begin(&mut self) -> Result<()> {
        self.execute("BEGIN IMMEDIATE", &[]).map(|_| ())
    }

    fn begin_reading(&mut self) -> Result<()> {
        self.execute("BEGIN DEFERRED", &[]).map(|_| ())
    }

    fn commit(&mut self) -> Result<()> {
        self.execute("COMMIT", &[]).map(|_| ())
    }

    fn rollback(&mut self) {
        // A failed statement may have rolled back already.
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn keep_copy(&mut self, name: &str) -> Result<Option<PathBuf>> {
        if self.is_nameless {
            return Ok(None);
        }
        let copy = PathBuf::from(format!("{}.{name}", self.place));
        let half = PathBuf::from(format!("{}.half", copy.display()));
        let failed = |e| wrap("copy", &self.place, e);
        let make = || {
            let mut into = Connection::open(&half)?;
            Backup::new(&self.connection, &mut into)?.run_to_completion(
                COPY_PAGES,
                Duration::ZERO,
                None,
            )
        };
        // A half copy of an earlier attempt is no database to copy into.
        if half.exists() {
            files::remove_file(&half)?;
        }
        make().map_err(failed)?;
        files::rename(&half, &copy)?;
        files::sync_folder(files::folder_of(&copy))?;
        Ok(Some(copy))
    }

    fn settle(&mut self) {
        // Where a reader is in the way, the last to leave does it.
        let _ = self.query("PRAGMA wal_checkpoint(PASSIVE)", &[]);
    }

    fn scrub(&mut self) -> Result<Scrub> {
        // Deleted rows were overwritten (secure_delete); the log still has the pages as they were.
        // A reader that stays is told of, and not waited for.
        let failed = |e| wrap("tidy up", &self.place, e);
        self.connection.busy_timeout(SCRUB_PATIENCE).map_err(failed)?;
        let rows = self.query("PRAGMA wal_checkpoint(TRUNCATE)", &[]);
        let failed = |e| wrap("tidy up", &self.place, e);
        self.connection.busy_timeout(PATIENCE).map_err(failed)?;
        let rows = rows?;
        let row = rows.first();
        let busy = row.map(|row| row.int(0)).transpose()?.unwrap_or(1) != 0;
        if busy {
            let why = "another process reads the archive: its write-ahead log keeps the bytes";
            return Ok(Scrub { present: vec![why.to_owned()], ..Scrub::default() });
        }
        let done = "deleted pages are overwritten, and the write-ahead log is empty".to_owned();
        Ok(Scrub { done: vec![done], ..Scrub::default() })
    }

    fn integrity(&mut self) -> Result<Vec<String>> {
        let rows = self.query("PRAGMA integrity_check(20)", &[])?;
        let words =
            rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        let mut complaints: Vec<String> = words.into_iter().filter(|word| word != "ok").collect();
        let dangling = self.query("PRAGMA foreign_key_check", &[])?;
        for row in dangling.iter().take(20) {
            let (table, parent) = (row.text(0)?, row.text(2)?);
            let id = row.int_or_null(1)?.unwrap_or_default();
            complaints.push(format!("row {id} of {table} names a row of {parent} that is gone"));
        }
        Ok(complaints)
    }
}
