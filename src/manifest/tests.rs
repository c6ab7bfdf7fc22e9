//! What manifests are taken and which are refused.

use super::*;

fn restore(text: &str) -> Result<Vec<RestoreEntry>> {
    restores("m", text.as_bytes())
}

fn store(text: &str) -> Result<Vec<StoreEntry>> {
    stores("m", text.as_bytes())
}

fn why<T: std::fmt::Debug>(read: Result<Vec<T>>) -> String {
    let error = read.unwrap_err().to_string();
    assert!(error.len() < 600 && !error.contains(char::is_control), "{error:?}");
    error.strip_prefix("invalid manifest `m`: ").unwrap().to_owned()
}

/// Whether a fault is the expected one; of JSON its column follows.
#[track_caller]
fn is(found: &str, expected: &str) {
    let column = found.strip_prefix(expected).unwrap_or_else(|| panic!("{found:?}, {expected:?}"));
    let known = ["", " at line 1 column ", " at column "];
    assert!(known.contains(&column.trim_end_matches(|c: char| c.is_ascii_digit())), "{found:?}");
}

#[test]
fn one_batch_in_four_forms() {
    let items =
        r#"[{"tombstone":"a1","output":"x"},{"tombstone":"b2","output":"y, z","actor":"ops"}]"#;
    let lines = items[1..items.len() - 1].replace("},{", "}\r\n\n{");
    let table = "tombstone,output,actor\r\na1,x,\r\nb2,\"y, z\",ops\r\n";
    let expected = restore(items).unwrap();
    assert_eq!(expected[1].actor.as_deref(), Some("ops"));
    assert_eq!(expected[1].output, "y, z");
    let bom = format!("\u{feff}{table}");
    let other_order = "output,actor,tombstone\nx,,a1\n\"y, z\",ops,b2\n";
    for text in [&format!(r#"{{ "items" : {items} }}"#), &lines, table, &bom, other_order] {
        assert_eq!(restore(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn marks_and_line_ends_of_other_systems_change_nothing() {
    let item = r#"{"tombstone":"a1","output":"x"}"#;
    let expected = restore(&format!("[{item}]")).unwrap();
    for text in [
        format!("[\r\n{item}\r\n]\r\n"),
        format!("{{\r\n\"items\":\r\n[{item}]}}"),
        format!("{item}\r\n\r\n"),
        "tombstone,output\r\na1,x\r\n".to_owned(),
        "tombstone,output\na1,x".to_owned(),
        "\"tombstone\",\"output\"\n\"a1\",\"x\"\n\n".to_owned(),
    ] {
        for text in [format!("\u{feff}{text}"), text] {
            assert_eq!(restore(&text).unwrap(), expected, "{text:?}");
        }
    }
    let quoted = restore("tombstone,output\na1,\"a \"\"b\"\", c\"\n").unwrap();
    assert_eq!(quoted[0].output, r#"a "b", c"#);
    // A carriage return in a value is no line end.
    is(
        &why(restore("[{\"tombstone\":\"a\",\"output\":\"x\\r\"}]")),
        "item 1: output `x\\r` has a control character",
    );
    let utf16: Vec<u8> = item.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(restores("m", &[b"\xff\xfe".as_slice(), &utf16].concat()).is_err());
    assert!(restores("m", &utf16).is_err());
}

#[test]
fn a_store_in_json_and_in_a_table() {
    let json =
        r#"[{"path":"a","reason":"dead","tags":["t","u"],"metadata":{"k":"v=w"}},{"path":"b"}]"#;
    let table = "path,reason,tags,metadata\na,dead,t; u,k=v=w\nb,,,\n";
    assert_eq!(store(json).unwrap(), store(table).unwrap());
    assert_eq!(store("path\nb\n").unwrap()[0].reason, None);
    assert!(store("[]").unwrap().is_empty() && store(r#"{"items":[]}"#).unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in [
        ("", "it is empty"),
        (" \n\t", "it is empty"),
        (r#"[{"tombstone":"a"}]"#, "item 1: `output` is missing"),
        (
            r#"[{"tombstone":"a","output":"x","outptu":1}]"#,
            "unknown field `outptu`, expected one of `tombstone`, `output`, `actor`",
        ),
        (r#"{"items":[],"more":1}"#, "unknown field `more`, expected `items`"),
        (r#"[{"tombstone":"a","output":"x","output":"y"}]"#, "duplicate field `output`"),
        (
            r#"[{"tombstone":18446744073709551616,"output":"x"}]"#,
            "invalid type: floating point `1.8446744073709552e+19`, expected a string",
        ),
        (
            r#"[{"tombstone":"a","output":"-"}]"#,
            "item 1: output `-`: a batch writes files, not to standard output",
        ),
        (
            "{\"tombstone\":\"a\",\"output\":\"x\"}\n{\"tombstone\":\"b\"}\n",
            "line 2: `output` is missing",
        ),
        ("{\"tombstone\":\"a\",\"output\":\"x\"}\n{\n", "line 2: EOF while parsing an object"),
        ("tombstone\na\n", "line 1: column `output` is missing; there are tombstone,output,actor"),
        (
            "tombstone,output,x\n",
            "line 1: there is no column `x`; there are tombstone,output,actor",
        ),
        ("tombstone,output,output\n", "line 1: column `output` stands there twice"),
        ("tombstone,output\na,\n", "line 2: `output` is missing"),
        ("tombstone,output\na,b\"c\n", "line 2: a quote inside a plain cell"),
        ("tombstone,output\na,\"b\"c\n", "line 2: text behind a quoted cell"),
        ("tombstone,output\na,\"b\n\n", "line 2: a quote is never closed"),
        ("tombstone,output\na,\"b\nc\"\n", "line 2: output `b\\nc` has a control character"),
        (
            "tombstone,output\na\n",
            "CSV error: record 1 (line: 2, byte: 17): found record with 1 fields, but the previous record has 2 fields",
        ),
        ("tombstone,output\na,x\nb,y\nc,./x\n", "items 1 and 3 both name the file `x`"),
        ("tombstone,output\na,x/y\nb,x\n", "item 1 names `x/y`, which is below the file of item 2"),
    ] {
        is(&why(restore(text)), expected);
    }
    assert_eq!(why(restores("m", b"tombstone,output\na,\xff\n")), "line 2: it is no UTF-8");
    for (text, expected) in [
        (
            r#"[{"path":"a","reason":"unused"}]"#,
            "item 1: reason `unused` is none of dead, pruned, legacy, replaced",
        ),
        (r#"[{"path":"a","tags":["t","t"]}]"#, "item 1: tag `t` stands there twice"),
        (
            r#"[{"path":"a","metadata":{"k":"1","k":"2"}}]"#,
            "item 1: metadata `k` stands there twice",
        ),
        (r#"[{"path":"a","metadata":{"k":1}}]"#, "invalid type: integer `1`, expected a string"),
        (
            "path,metadata\na,novalue\n",
            "line 2: invalid metadata ``: a key has 1 to 128 bytes, a value at most 4096, neither a control character",
        ),
    ] {
        is(&why(store(text)), expected);
    }
}

#[test]
fn what_is_too_much_is_refused_in_few_words() {
    let long = "x".repeat(10 << 20);
    let many: Vec<String> = (0..10_000).map(|n| format!("\"{n}\"")).collect();
    let deep = "[".repeat(1000);
    for text in [
        format!(r#"[{{"path":"a","reason":"{long}"}}]"#),
        format!(r#"[{{"path":"{long}"}}]"#),
        format!(r#"[{{"{long}":1}}]"#),
        format!(r#"[{{"path":"a","tags":[{}]}}]"#, many.join(",")),
        format!(r#"[{{"path":"a","metadata":{deep}}}]"#),
        format!(r#"{{"items":{deep}"#),
        deep,
        "[{\"path\":\"a\u{1b}[2J\"}]".to_owned(),
        r#"[{"path":"a\u001b[2J\u202e"}]"#.to_owned(),
        format!("path\n{long}\n"),
        format!("{long},{long}\n"),
    ] {
        why(store(&text));
    }
    let mut lines: String = (0..MAX_ITEMS).map(|n| format!("{n}\n")).collect();
    assert_eq!(store(&format!("path\n{lines}")).unwrap().len(), MAX_ITEMS);
    lines.push_str("x\n");
    assert_eq!(why(store(&format!("path\n{lines}"))), "it has more than 100000 items; split it");
    assert_eq!(why(stores("m", &vec![b' '; MAX_BYTES + 1])), "it has more than 32 MiB; split it");
}
