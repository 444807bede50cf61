use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// Formats a text, and checks what must hold for every text.
fn formatted(text: &str) -> String {
    let out = format(text);
    assert!(same(text, &out), "the meaning has changed:\n{text}\n----\n{out}");
    assert_eq!(format(&out), out, "a second time changes it again:\n{text}");
    let comments = |text: &str| {
        let items = Reader::new(text).items();
        let mut all = Vec::new();
        items.iter().for_each(|item| comments_of(item, &mut all));
        all
    };
    assert_eq!(comments(text), comments(&out), "comments are lost:\n{text}");
    out
}

fn comments_of(item: &Item<'_>, all: &mut Vec<String>) {
    match item {
        Item::Blank => {}
        Item::Comment { text, .. } => all.push((*text).to_owned()),
        Item::Header { comment, .. } => all.extend(comment.iter().map(|comment| comment.text.to_owned())),
        Item::Entry { value, comment, .. } => {
            comments_in(value, all);
            all.extend(comment.iter().map(|comment| comment.text.to_owned()));
        }
    }
}

fn comments_in(value: &read::Value<'_>, all: &mut Vec<String>) {
    let read::Value::List(list) = value else { return };
    for part in &list.parts {
        match part {
            read::Part::Blank => {}
            read::Part::Comment(text) => all.push((*text).to_owned()),
            read::Part::Element { value, comment, .. } => {
                comments_in(value, all);
                all.extend(comment.iter().map(|comment| comment.text.to_owned()));
            }
        }
    }
}

#[test]
fn white_space_is_laid_out_and_nothing_else_changes() {
    let text = "\n\n  # about it \n[ server ]\n\n\n  workers=2   \n\tdrain_timeout   =  '30s'\n# more = 1\n[[ listener ]]# the first\n\
                name=\"web\"\n\n\n\nbind = \"127.0.0.1:80\"\n# of the service\n[service . \"a b\" . pool ]\nmax_idle=1\n\n\n";
    let expected = "# about it\n[server]\nworkers = 2\ndrain_timeout = '30s'\n# more = 1\n\n[[listener]] # the first\n\
                    name = \"web\"\n\nbind = \"127.0.0.1:80\"\n\n# of the service\n[service.\"a b\".pool]\nmax_idle = 1\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn comments_behind_values_keep_their_column_where_there_is_room() {
    let text = "a=1                 # one\n  bb = 2            # two\nlong = \"xxxxxxxxxxxxxxxxxxxxx\"# three\nc = 1\t\t# four\n";
    let expected = "a = 1               # one\nbb = 2              # two\nlong = \"xxxxxxxxxxxxxxxxxxxxx\" # three\nc = 1           # four\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn a_comment_that_goes_on_below_stays_in_its_column() {
    let text = "a=1     # one\n        # two\n   # three\n\nlong = 'xxxxxxxx'  # four\nb='yyyyyyyyyyyyyyyyyyy'  # five\n                         # six\n";
    let expected = "a = 1   # one\n        # two\n        # three\n\nlong = 'xxxxxxxx'  # four\nb = 'yyyyyyyyyyyyyyyyyyy' # five\n                          # six\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn lists_on_one_line_stay_there_and_those_on_several_have_a_line_for_each_element() {
    let text = "a=[1,2 , 3,]\nb={x=1,y=[ ]}\nc = [ # first\n1, 2, # two\n\n\n# alone\n3 # three\n]\nd = [{ x = 1 },\n{x=2}\n]   # behind\ne = []\nf = [[\n1]]\n";
    let expected = "a = [1, 2, 3]\nb = { x = 1, y = [] }\nc = [\n    # first\n    1,\n    2, # two\n\n    # alone\n    3, # three\n]\n\
                    d = [\n    { x = 1 },\n    { x = 2 },\n] # behind\ne = []\nf = [[\n    1,\n]]\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn a_list_that_is_too_long_for_its_line_is_given_lines() {
    let networks: Vec<String> = (0..9).map(|n| format!("\"10.{n}.0.0/16\"")).collect();
    let text = format!(
        "allow = [{}]            # who may come in\ntable = {{ a = [{}] }}\n",
        networks.join(","),
        "1,".repeat(60)
    );
    let lines: String = networks.iter().map(|network| format!("    {network},\n")).collect();
    let expected = format!("allow = [\n{lines}] # who may come in\ntable = {{ a = [{}] }}\n", vec!["1"; 60].join(", "));
    assert_eq!(formatted(&text), expected);
}

#[test]
fn strings_stand_as_they_are_written() {
    let text = "a = '''\n  x  \n'''   # c\n\"quoted key\"=\"\"\"\\\n   y\"\"\"\n'k'.b . c = 1_000\nd=0xFF\ne=1979-05-27 07:32:00\nf = \"é # no comment\"   # é\n";
    let expected = "a = '''\n  x  \n''' # c\n\"quoted key\" = \"\"\"\\\n   y\"\"\"\n'k'.b.c = 1_000\nd = 0xFF\ne = 1979-05-27 07:32:00\nf = \"é # no comment\"   # é\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn line_ends_and_a_byte_order_mark_of_windows_go() {
    assert_eq!(formatted("\u{feff}a = 1\r\n\r\n[b]\r\nc = [\r\n1,\r\n]\r\n"), "a = 1\n\n[b]\nc = [\n    1,\n]\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n \n"), "");
    assert_eq!(formatted("# only this"), "# only this\n");
}

#[test]
fn an_inline_table_on_several_lines_keeps_them() {
    assert_eq!(formatted("a = { x = 1, # one\n y = 2 }\n"), "a = {\n    x = 1, # one\n    y = 2,\n}\n");
}

#[test]
fn what_is_right_below_a_header_belongs_to_it() {
    let text = "[a]\n# nothing here yet\n[b]\n\n# of b\nx = 1\n# [[c]]\n# y = 2\n\n\n# ----\n\n[d]\n";
    let expected = "[a]\n# nothing here yet\n\n[b]\n\n# of b\nx = 1\n# [[c]]\n# y = 2\n\n# ----\n\n[d]\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn the_file_that_is_shipped_is_formatted_already() {
    formatted(include_str!("../../../tests/config/contract.toml"));
    let shipped = include_str!("../../../proxy.toml");
    let laid_out = formatted(shipped);
    let other = shipped.lines().zip(laid_out.lines()).find(|(one, other)| one != other);
    assert!(shipped == laid_out, "`evenkeel fmt proxy.toml` changes it: {other:?}");
}

#[test]
fn a_large_file_is_formatted() {
    let text: String =
        (0..20_000).map(|n| format!("[[service.app.backend]]\naddress='10.0.0.1:{n}' # {n}\n")).collect();
    assert!(format(&text).starts_with("[[service.app.backend]]\naddress = '10.0.0.1:0' # 0\n\n[[service"));
}

/// A value of any shape, laid out in any way, at most so deep.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("1".to_owned()),
        Just("-0.5e3".to_owned()),
        Just("true".to_owned()),
        Just("nan".to_owned()),
        Just("2026-12-01".to_owned()),
        "[a-z #=,{}\\[\\]]{0,12}".prop_map(|text| format!("\"{text}\"")),
        "[a-z #\\n]{0,12}".prop_map(|text| format!("'''{text}'''")),
    ];
    scalar.prop_recursive(4, 24, 6, |inner| {
        let gap = || {
            prop_oneof![Just(""), Just(" "), Just("  "), Just("\n"), Just("\n\n\n"), Just(" # note, ]\n"), Just("\r\n")]
        };
        let element = (gap(), inner, gap());
        (proptest::collection::vec(element, 0..6), gap(), any::<bool>(), any::<bool>()).prop_map(
            |(elements, end, is_array, has_comma)| {
                let all: Vec<String> = elements
                    .iter()
                    .enumerate()
                    .map(|(n, (before, value, after))| match is_array {
                        true => format!("{before}{value}{after}"),
                        false => format!("{before}k{n} ={value}{after}"),
                    })
                    .collect();
                let comma = if has_comma && !all.is_empty() { "," } else { "" };
                let (open, close) = if is_array { ("[", "]") } else { ("{", "}") };
                format!("{open}{}{comma}{end}{close}", all.join(","))
            },
        )
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (" {0,3}", value(), " {0,30}(#[a-z =]{0,20})?").prop_map(|(pad, value, end)| format!("{pad}KEY=  {value}{end}")),
        1 => "( {0,3}| {8})#[ a-z=\\[\\].]{0,20}",
        1 => " {0,2}",
        1 => " {0,2}(#x)?".prop_map(|end| format!("[ t . KEY ]{end}")),
        1 => Just("[[list]]".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_the_file_has_its_meaning_and_comments_stay_and_once_is_enough(lines in proptest::collection::vec(line(), 0..12)) {
        let numbered = lines.iter().enumerate().map(|(n, line)| line.replace("KEY", &format!("k{n}")));
        let text = numbered.collect::<Vec<_>>().join("\n");
        prop_assume!(same(&text, &text));
        formatted(&text);
    }
}
