//! Encrypted connections, with real certificates of an authority of the tests' own.

use crate::common::server::{Kind, PASSWORD, Server};
use crate::{on, on_both};

/// Lets in a user who comes encrypted only; the URL of `database` for that user.
fn url_of_encrypted(server: &Server, database: &str) -> String {
    let password = format!("IDENTIFIED BY '{PASSWORD}'");
    match server.kind {
        Kind::Postgres => {
            server.sql(
                "",
                &format!(
                    "DROP DATABASE IF EXISTS {database}; DROP ROLE IF EXISTS sealed;
                     CREATE ROLE sealed LOGIN PASSWORD '{PASSWORD}'"
                ),
            );
            server.sql("", &format!("CREATE DATABASE {database} OWNER sealed"));
        }
        Kind::Mariadb => {
            server.sql(
                "",
                &format!(
                    "DROP USER IF EXISTS sealed@'%'; CREATE USER sealed@'%' {password} REQUIRE SSL;
                     GRANT ALL ON *.* TO sealed@'%'"
                ),
            );
        }
    }
    server.url(database).replace("://codex:", "://sealed:")
}

#[test]
fn modes_and_certificates() {
    on_both(|server| {
        let (repo, database) = on(server);
        let url = url_of_encrypted(server, &database);
        let by_name = url.replace("@127.0.0.1:", "@localhost:");
        let ca = server.folder.join("ca.crt").display().to_string();
        let other = repo.world.path("other.pem");
        let certificate = std::fs::read(server.folder.join("server.crt")).unwrap();
        std::fs::write(&other, certificate).unwrap();
        let other = other.display().to_string();
        repo.env("CODEX_ARCHIVE_URL", &url).archive(["init", "--repo", "_codex_"]).ok();
        let tries = [
            (format!("{url}?sslmode=disable"), 7),
            (url.clone(), 0),
            (format!("{url}?sslmode=prefer"), 0),
            // Nobody whom the system trusts issued it.
            (format!("{by_name}?sslmode=require"), 7),
            (format!("{by_name}?sslmode=verify-full"), 7),
            (format!("{by_name}?sslmode=verify-full&sslrootcert={ca}"), 0),
            (format!("{by_name}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"), 0),
            (format!("{by_name}?sslmode=require&sslrootcert={ca}"), 0),
            // The name is another one.
            (format!("{url}?sslmode=verify-full&sslrootcert={ca}"), 7),
            (format!("{url}?sslmode=verify-ca&sslrootcert={ca}"), 0),
            (format!("{url}?sslmode=verify-ca&sslrootcert={other}"), 7),
        ];
        for (url, code) in tries {
            let said = repo.env("CODEX_ARCHIVE_URL", &url).archive(["list"]);
            let shown = url.replace(PASSWORD, "***");
            assert_eq!(said.code, code, "{:?} {shown}\n{said}", server.kind);
            assert!(!said.to_string().contains(PASSWORD), "{said}");
        }
    });
}
