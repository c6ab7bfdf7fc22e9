//! Passwords in addresses: `scheme://user:password@host`.

use std::ops::Range;

use super::guess;
use super::token::{run, run_before};

/// The schemes of databases and queues.
const DATABASES: [&[u8]; 16] = [
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mariadb",
    b"mongodb",
    b"mongodb+srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"oracle",
    b"clickhouse",
    b"cockroachdb",
    b"neo4j",
];

/// What stands for a password where there is none.
const STAND_INS: [&[u8]; 15] = [
    b"pass",
    b"pwd",
    b"root",
    b"admin",
    b"user",
    b"guest",
    b"postgres",
    b"mysql",
    b"mongo",
    b"redis",
    b"x-oauth-basic",
    b"pw",
    b"hunter2",
    b"foo",
    b"bar",
];

/// An address with a password in it.
struct Address {
    scheme: Range<usize>,
    user: Range<usize>,
    password: Range<usize>,
    host: Range<usize>,
}

/// The password of a database's or queue's address.
pub fn database(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let address = address(text, anchor)?;
    let is_database = is_database(&text[address.scheme.clone()]);
    (is_database && is_real(text, &address, 6)).then_some(address.password)
}

/// The password of any other address.
pub fn other(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let address = address(text, anchor)?;
    let password = &text[address.password.clone()];
    let is_other = !is_database(&text[address.scheme.clone()]);
    let strong = guess::sorts(password) >= 2 && guess::entropy(password) >= 2.8;
    (is_other && strong && is_real(text, &address, 8)).then_some(address.password)
}

fn is_database(scheme: &[u8]) -> bool {
    // Drivers are named behind a plus: `postgresql+psycopg2`.
    let kind = scheme.split(|byte| *byte == b'+').next().unwrap_or_default();
    DATABASES.iter().any(|it| it.eq_ignore_ascii_case(kind))
}

fn address(text: &[u8], anchor: Range<usize>) -> Option<Address> {
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    let scheme = run_before(text, anchor.start, 32, in_scheme);
    let in_pair = |byte: u8| match byte {
        b'@' | b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' => false,
        b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'$' | b'|' => false,
        other => other.is_ascii_graphic(),
    };
    let pair = run(text, anchor.end, 256, in_pair);
    text.get(pair.end).filter(|byte| **byte == b'@')?;
    let colon = text[pair.clone()].iter().position(|byte| *byte == b':')?;
    let (user, password) = (pair.start..pair.start + colon, pair.start + colon + 1..pair.end);
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let host = run(text, pair.end + 1, 256, in_host);
    (!scheme.is_empty() && !host.is_empty()).then_some(Address { scheme, user, password, host })
}

fn is_real(text: &[u8], address: &Address, least: usize) -> bool {
    let (user, password) = (&text[address.user.clone()], &text[address.password.clone()]);
    let host = &text[address.host.clone()];
    let is_stand_in = STAND_INS.iter().any(|it| it.eq_ignore_ascii_case(password))
        || password.eq_ignore_ascii_case(user)
        || password.eq_ignore_ascii_case(host)
        || guess::is_word_or_template(password)
        || password.iter().any(|byte| b"%*:".contains(byte) && least > 6);
    password.len() >= least && !is_stand_in && is_reachable(host, password)
}

/// Whether somebody else could get at the host: not this machine, nor a name that documents use. One
/// without a dot is a container's, where a simple password means nothing.
fn is_reachable(host: &[u8], password: &[u8]) -> bool {
    let local = [b"localhost".as_slice(), b"0.0.0.0", b"host.docker.internal"];
    let ends = [b".test".as_slice(), b".invalid", b".localhost", b".local", b".example"];
    let here = host.starts_with(b"127.") || local.iter().any(|it| it.eq_ignore_ascii_case(host));
    let made_up = guess::holds(host, b"example") || ends.iter().any(|it| host.ends_with(it));
    let weak = !host.contains(&b'.') && (guess::sorts(password) < 3 || password.len() < 10);
    !here && !made_up && !weak
}
