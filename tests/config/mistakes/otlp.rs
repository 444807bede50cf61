//! Mistakes in `[otlp]`.

use evenkeel::config::model::OtlpProtocol;

use crate::support::{Folder, GOOD, bad, good, only_mistake, told};

/// The section with these keys after a good configuration.
fn otlp(keys: &str) -> String {
    format!("{GOOD}\n[otlp]\n{keys}\n")
}

const ENDPOINT: &str = "endpoint = \"http://127.0.0.1:4317\"";

fn protocol(keys: &str) -> OtlpProtocol {
    good(&otlp(keys)).config.otlp.unwrap().protocol
}

#[test]
fn the_protocol_follows_from_the_port_unless_it_is_said() {
    assert_eq!(protocol(ENDPOINT), OtlpProtocol::Grpc);
    assert_eq!(protocol("endpoint = \"http://[::1]:4318\""), OtlpProtocol::Http);
    assert_eq!(protocol("endpoint = \"https://otel.example\""), OtlpProtocol::Grpc);
    assert_eq!(protocol("endpoint = \"https://otel.example/otlp\"\nprotocol = \"http\""), OtlpProtocol::Http);
    assert_eq!(protocol("endpoint = \"http://127.0.0.1:4318\"\nprotocol = \"grpc\""), OtlpProtocol::Grpc);
    assert!(good(GOOD).config.otlp.is_none());
}

#[test]
fn an_endpoint_is_a_url_without_what_is_not_sent() {
    for (endpoint, part) in [
        ("127.0.0.1:4317", "`127.0.0.1:4317` has no scheme"),
        ("localhost:4317", "`localhost:4317` has no scheme"),
        ("grpc://127.0.0.1:4317", "is not an http or https URL"),
        ("http://127.0.0.1:4317?key=hunter2", "has a query"),
        ("http://me:hunter2@127.0.0.1:4317", "has a user in it"),
        ("http://127.0.0.1:0", "has no port behind its"),
    ] {
        let mistake = only_mistake(&otlp(&format!("endpoint = {endpoint:?}")));
        assert!(mistake.starts_with("otlp.endpoint: ") && mistake.contains(part), "{mistake}");
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
    let found = bad(&otlp("endpoint = \"localhost:4317\""));
    assert_eq!(found.iter().next().unwrap().suggestion.as_deref(), Some("http://localhost:4317"));
    assert!(only_mistake(&otlp("sample = 0.5")).contains("`endpoint`"));
    let warned = good(&otlp("endpoint = \"http://127.0.0.1:4317/v1/traces\"")).warnings;
    assert_eq!(told(&warned), ["~11:12 otlp.endpoint: the path `/v1/traces` is not sent: gRPC has paths of its own"]);
}

#[test]
fn numbers_have_bounds() {
    for (keys, at) in [
        ("sample = 1.5", "otlp.sample"),
        ("sample = -0.1", "otlp.sample"),
        ("queue = \"1KiB\"", "otlp.queue"),
        ("queue = \"2GiB\"", "otlp.queue"),
        ("timeout = \"0s\"", "otlp.timeout"),
        ("slow = \"0s\"", "otlp.slow"),
        ("metrics_interval = \"500ms\"", "otlp.metrics_interval"),
        ("protocol = \"thrift\"", "otlp.protocol"),
        ("resource = { \"service.name\" = \"x\" }", "otlp.resource"),
    ] {
        let mistake = only_mistake(&otlp(&format!("{ENDPOINT}\n{keys}")));
        assert!(mistake.starts_with(at), "{keys}: {mistake}");
    }
    good(&otlp(&format!("{ENDPOINT}\nsample = 1\nmetrics_interval = \"10s\"")));
    let found = told(&bad(&otlp(&format!("{ENDPOINT}\nsampel = 0.1"))));
    assert!(found.len() == 1 && found[0].contains("unknown key `sampel`"), "{found:?}");
}

#[test]
fn headers_that_frame_a_message_can_t_be_chosen_and_none_is_there_twice() {
    for (headers, part) in [
        ("\"Content-Type\" = \"x\"", "`content-type` can't be chosen"),
        ("grpc-timeout = \"1S\"", "`grpc-timeout` can't be chosen"),
        ("a = \"1\", A = \"2\"", "`a` is here twice"),
        ("\"a b\" = \"1\"", "a b"),
    ] {
        let mistake = only_mistake(&otlp(&format!("{ENDPOINT}\nheaders = {{ {headers} }}")));
        assert!(mistake.starts_with("otlp.headers") && mistake.contains(part), "{mistake}");
    }
}

#[test]
fn a_file_has_a_header_in_each_line_and_what_it_holds_is_not_shown() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| folder.write(name, text).to_str().unwrap().to_owned();
    let fine = file("fine", "# for the collector\n\nauthorization: Bearer abc:def\nx-tenant:1\n");
    let loaded = good(&otlp(&format!("{ENDPOINT}\nheaders_file = {fine:?}\nheaders = {{ x-a = \"secret\" }}")));
    let headers = loaded.config.otlp.unwrap().headers;
    let shown: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    assert_eq!(shown, ["x-a=secret", "authorization=Bearer abc:def", "x-tenant=1"]);
    assert!(!format!("{headers:?}").contains("abc"));
    assert_eq!(loaded.effective.to_json()["otlp"]["headers"]["x-a"], "***");
    for (text, part) in [
        ("no header", "line 1 of"),
        ("a: b\nhunter2\n", "line 2 of"),
        ("host: x", "`host` can't be chosen"),
        ("a: 1\na: 2", "`a` is here twice"),
    ] {
        let found = bad(&otlp(&format!("{ENDPOINT}\nheaders_file = {:?}", file("bad", text))));
        let mistake = told(&found).concat();
        assert!(mistake.contains("otlp.headers_file: ") && mistake.contains(part), "{mistake}");
        assert!(!found.to_string().contains("hunter2"));
    }
    let mistake = only_mistake(&otlp(&format!("{ENDPOINT}\nheaders_file = \"/nowhere/headers\"")));
    assert!(mistake.contains("/nowhere/headers"), "{mistake}");
    let mistake = only_mistake(&otlp(&format!("{ENDPOINT}\nca = \"/nowhere/ca.pem\"")));
    assert!(mistake.starts_with("otlp.ca: "), "{mistake}");
}
