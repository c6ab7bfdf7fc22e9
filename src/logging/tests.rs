//! Events as lines.

use std::io;

use super::*;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_716_978_702_000)
    }
}

/// The lines that `work` leaves.
fn logged(least: Weight, format: Format, durations: Durations, work: impl FnOnce()) -> Vec<String> {
    let page = Page::default();
    let sink = Sink { least, format, to: Box::new(page.clone()) };
    let (layer, _) = lines(vec![sink], durations, Arc::new(Noon));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    let writes = page.0.lock().unwrap();
    writes.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
}

fn restored() {
    let log = UseCase::begin("RESTORE", Some("ops-user"), "sqlite");
    let _ = log.end(Ok(()), |()| About::item("13b1", ""));
}

#[test]
fn a_restore_has_the_seven_fields_in_order() {
    let lines = logged(Weight::Info, Format::Json, Durations::Told, restored);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let began = "{\"ts\":\"2024-05-29T10:31:42.000Z\",\"level\":\"info\",\"action\":\"RESTORE\",\
                 \"tombstone\":\"13b1\",\"actor\":\"ops-user\",\"duration_ms\":";
    assert!(line.starts_with(began) && line.ends_with(",\"backend\":\"sqlite\"}\n"), "{line}");
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(value["duration_ms"].is_f64());
}

#[test]
fn text_and_no_durations() {
    let lines = logged(Weight::Debug, Format::Text, Durations::LeftOut, || {
        let _timer = Timer::phase("lock");
        restored();
        tracing::warn!(what = "two words", n = 3, yes = true, "look");
    });
    assert_eq!(
        lines,
        [
            "2024-05-29T10:31:42.000Z info    RESTORE tombstone=13b1 actor=ops-user backend=sqlite\n",
            "2024-05-29T10:31:42.000Z warning what=\"two words\" n=3 yes=true: look\n",
        ]
    );
}

#[test]
fn phases_are_for_whoever_looks_closely() {
    let work = || drop(Timer::phase("lock"));
    assert_eq!(logged(Weight::Info, Format::Json, Durations::Told, work), [""; 0]);
    let lines = logged(Weight::Debug, Format::Json, Durations::Told, work);
    assert!(lines[0].contains("\"level\":\"debug\",\"phase\":\"lock\",\"duration_ms\":"));
}

#[test]
fn a_failure_names_its_causes_on_one_line() {
    let work = || {
        let error = Error::io("read", "a\n\u{1b}[2Jb")(io::ErrorKind::NotFound.into());
        let failed: Result<()> = Err(error);
        let log = UseCase::begin("RESTORE", None, "sqlite");
        let _ = log.end(failed, |()| About::default());
    };
    for format in [Format::Json, Format::Text] {
        let lines = logged(Weight::Error, format, Durations::LeftOut, work);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(line.contains("RESTORE_FAIL") && line.contains("entity not found"), "{line}");
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    }
}

#[test]
fn other_libraries_are_not_heard() {
    let lines = logged(Weight::Debug, Format::Text, Durations::Told, || {
        tracing::error!(target: "tokio_postgres", "password");
    });
    assert_eq!(lines, [""; 0]);
}

#[test]
fn a_log_that_cannot_be_written_says_so_once() {
    let sink = Sink { least: Weight::Info, format: Format::Json, to: Box::new(Full) };
    let (layer, log) = lines(vec![sink], Durations::Told, Arc::new(Noon));
    assert_eq!(log.trouble(), None);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::error!("no");
    });
    assert!(log.trouble().unwrap().contains("no storage space"));
    assert!(log.has_told("no") && !log.has_told("yes"));
}
