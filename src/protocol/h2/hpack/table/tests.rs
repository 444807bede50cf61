use super::*;

fn entry(name: &'static str, value: &'static str) -> TableEntry {
    plain(name, value)
}

fn names(table: &Table) -> Vec<String> {
    let name = |field| match field {
        Field::Plain(name, _) => name.to_string(),
        other => panic!("{other:?}"),
    };
    table.fields().into_iter().map(name).collect()
}

#[test]
fn an_index_names_the_static_table_first_and_then_the_newest() {
    let mut table = Table::new(4096);
    assert_eq!(table.get(0).err(), Some(CompressionError));
    assert_eq!(table.get(2).unwrap().field(), Field::Pseudo(Pseudo::Method, HeaderValue::from_static("GET")));
    assert_eq!(table.get(61).unwrap().name, Name::Plain(HeaderName::from_static("www-authenticate")));
    assert_eq!(table.get(62).err(), Some(CompressionError));
    table.add(entry("first", ""));
    table.add(entry("second", ""));
    assert_eq!(table.get(62).unwrap().name, Name::Plain(HeaderName::from_static("second")));
    assert_eq!(table.get(63).unwrap().name, Name::Plain(HeaderName::from_static("first")));
    assert_eq!(table.get(64).err(), Some(CompressionError));
    assert_eq!(table.get(usize::MAX).err(), Some(CompressionError));
}

#[test]
fn the_oldest_make_room() {
    let mut table = Table::new(110);
    table.add(entry("a", "1234"));
    table.add(entry("b", "1234"));
    assert_eq!(table.size(), 74);
    table.add(entry("c", "123"));
    assert_eq!((table.size(), names(&table).concat()), (110, "cba".into()), "just full");
    table.add(entry("d", ""));
    assert_eq!((table.size(), names(&table).concat()), (106, "dcb".into()));
    table.add(entry("e", &"0123456789012345678901234567890123456789"[..39]));
    assert_eq!((table.size(), names(&table).concat()), (105, "ed".into()));
}

#[test]
fn what_is_larger_than_the_table_empties_it() {
    let mut table = Table::new(40);
    table.add(entry("a", "1234567"));
    assert_eq!(table.size(), 40, "just as large");
    table.add(entry("b", "12345678"));
    assert_eq!((table.size(), table.fields().len()), (0, 0));
    table.add(entry("c", "1"));
    assert_eq!(table.size(), 34);
}

#[test]
fn a_smaller_table_evicts_and_a_larger_one_than_allowed_is_refused() {
    let mut table = Table::new(100);
    table.add(entry("a", "1"));
    table.add(entry("b", "1"));
    table.resize(67).unwrap();
    assert_eq!(names(&table).concat(), "b");
    table.resize(100).unwrap();
    assert_eq!(names(&table).concat(), "b", "what is gone stays so");
    assert_eq!(table.resize(101), Err(CompressionError));
    table.resize(0).unwrap();
    table.add(entry("c", ""));
    assert_eq!((table.size(), table.fields().len()), (0, 0));
}

/// RFC 7541, appendix A, by some of its rows.
#[test]
fn the_static_table_is_that_of_the_specification() {
    let field = |index| match table_field(index) {
        Field::Plain(name, value) => format!("{name}: {}", value.to_str().unwrap()),
        Field::Pseudo(pseudo, value) => format!("{pseudo:?}: {}", value.to_str().unwrap()),
        Field::Malformed => panic!("{index}"),
    };
    for (index, wanted) in [
        (1, "Authority: "),
        (2, "Method: GET"),
        (3, "Method: POST"),
        (4, "Path: /"),
        (5, "Path: /index.html"),
        (6, "Scheme: http"),
        (7, "Scheme: https"),
        (8, "Status: 200"),
        (11, "Status: 304"),
        (14, "Status: 500"),
        (15, "accept-charset: "),
        (16, "accept-encoding: gzip, deflate"),
        (20, "access-control-allow-origin: "),
        (23, "authorization: "),
        (28, "content-length: "),
        (31, "content-type: "),
        (33, "date: "),
        (38, "host: "),
        (44, "last-modified: "),
        (50, "range: "),
        (54, "server: "),
        (58, "user-agent: "),
        (61, "www-authenticate: "),
    ] {
        assert_eq!(field(index), wanted);
    }
    // they are in the order of the alphabet, but for one
    let sorted = NAMES.windows(2).filter(|pair| pair[0] > pair[1]).collect::<Vec<_>>();
    assert_eq!(sorted, [["accept-ranges", "accept"]]);
}

fn table_field(index: usize) -> Field {
    Table::new(0).get(index).unwrap().field()
}
