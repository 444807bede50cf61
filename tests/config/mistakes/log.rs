//! Mistakes in `[log]`, and in what listeners give requests.

use evenkeel::policy::access_log::{AccessDestination, SyslogTransport};

use crate::support::{GOOD, bad, good, only_mistake, told};

fn log(text: &str) -> String {
    format!("{GOOD}\n[log]\n{text}\n")
}

/// The only mistake in this, what is suggested instead, and the help.
fn mistake(text: &str) -> [String; 3] {
    let diagnostics = bad(&log(text));
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    let only = diagnostics.iter().next().unwrap();
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    [format!("{}: {}", only.path, only.message), or_nothing(&only.suggestion), or_nothing(&only.help)]
}

#[test]
fn fields_that_do_not_exist_are_told_with_the_nearest_one() {
    for (field, meant) in [
        ("statu", "status"),
        ("duration", "duration_ms"),
        ("$remote_addr", "client"),
        ("http_user_agent", "request_header:user-agent"),
        ("sent_http_etag", "response_header:etag"),
        ("request_headers:x-a", ""),
        ("request_header:a b", ""),
    ] {
        let [told, suggestion, help] = mistake(&format!("access_fields = [\"time\", \"{field}\"]"));
        assert_eq!(told, format!("log.access_fields[1]: `{field}` is no field of the access log"));
        assert_eq!(suggestion, meant);
        assert_eq!(help.starts_with("there are aborted, "), meant.is_empty(), "{help}");
    }
}

#[test]
fn mistakes_in_a_template_have_their_place_in_it() {
    for (template, told, meant) in [
        ("${client} ${statu}", "`statu` at character 13 of the template is no field of the access log", "${status}"),
        ("a ${time", "`${` at character 3 of the template has no `}`", ""),
        ("", "an access log of empty lines says nothing", ""),
        ("a\\nb", "character 2 of the template is a control character", ""),
    ] {
        let [message, suggestion, _] =
            mistake(&format!("access_format = \"template\"\naccess_template = \"{template}\""));
        assert_eq!((message, suggestion), (format!("log.access_template: {told}"), meant.to_owned()));
    }
    let without = mistake("access_format = \"template\"");
    assert_eq!(without[0], "log.access_format: there is no template");
}

#[test]
fn a_template_takes_nothing_from_the_environment() {
    good(&log("access_format = \"template\"\naccess_template = \"$${HOME} ${client} ${request_header:x-a}\""));
    let [told, ..] = mistake("access_format = \"template\"\naccess_template = \"${HOME}\"");
    assert_eq!(told, "log.access_template: `HOME` at character 3 of the template is no field of the access log");
}

#[test]
fn destinations_are_read() {
    let access = |text: &str| good(&log(&format!("access = \"{text}\""))).config.log.access.clone();
    let syslog = |to| Some(AccessDestination::Syslog { to, facility: 16 });
    assert_eq!(access("off"), None);
    assert_eq!(access("stdout"), Some(AccessDestination::Stdout));
    assert_eq!(access("syslog:udp://logs.example:514"), syslog(SyslogTransport::Udp("logs.example".into(), 514)));
    assert_eq!(access("syslog:tcp://[::1]:601"), syslog(SyslogTransport::Tcp("::1".into(), 601)));
    assert_eq!(access("syslog:unix:/dev/log"), syslog(SyslogTransport::Unix("/dev/log".into())));
    assert_eq!(access("unixgram:/run/x"), Some(AccessDestination::Unixgram("/run/x".into())));
    for (text, meant) in [
        ("syslog:udp://logs.example", "syslog:udp://logs.example:514"),
        ("udp://logs:514", "syslog:udp://logs:514"),
        ("unix:/dev/log", "unixgram:/dev/log"),
        ("syslog:/dev/log", "syslog:unix:/dev/log"),
        ("syslog:logs:514", "syslog:udp://logs:514"),
        ("syslog:udp://logs:0", ""),
        ("syslog:udp://:514", ""),
        ("syslog:tls://logs:514", ""),
        ("syslog:unix:", ""),
        ("unixgram:", ""),
    ] {
        assert_eq!(mistake(&format!("access = \"{text}\""))[1], meant, "{text}");
    }
}

#[test]
fn secrets_in_lines_are_warned_of() {
    let fields = "access_fields = [\"time\", \"request_header:Authorization\", \"response_header:set-cookie\", \"request_header:x\"]";
    let warned = told(&good(&log(fields)).warnings);
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(
        warned[0].contains("log.access_fields[1]: each line of the access log will hold what `authorization` carries")
    );
    let template = "access_format = \"template\"\naccess_template = \"${request_header:cookie}\"";
    let warned = told(&good(&log(template)).warnings);
    assert!(warned.len() == 1 && warned[0].contains("`cookie`"), "{warned:?}");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for (text, warning) in [
        (
            "access_format = \"combined\"\naccess_fields = [\"time\"]",
            "`access_fields` has no effect: it needs access_format = \"json\"",
        ),
        ("access_template = \"x\"", "`access_template` has no effect: it needs access_format = \"template\""),
        (
            "access_facility = \"mail\"",
            "`access_facility` has no effect: it needs an `access` that begins with \"syslog:\"",
        ),
    ] {
        let warned = told(&good(&log(text)).warnings);
        assert!(warned.len() == 1 && warned[0].ends_with(warning), "{warned:?}");
    }
}

#[test]
fn an_id_needs_a_header_of_its_own() {
    let listener = |text: &str| GOOD.replacen("[[listener]]", &format!("[[listener]]\n{text}"), 1);
    for name in ["Content-Length", "x-forwarded-for", "cookie", "traceparent", "keep-alive"] {
        let text = listener(&format!("request_id = \"uuidv7\"\nrequest_id_header = \"{name}\""));
        let lower = name.to_ascii_lowercase();
        assert_eq!(only_mistake(&text), format!("listener[0].request_id_header: `{lower}` says something else"));
    }
    let warned = told(&good(&listener("request_id_header = \"x-trace\"")).warnings);
    assert!(warned[0].ends_with("`request_id_header` has no effect: requests get no ids"), "{warned:?}");
    assert_eq!(told(&good(&listener("request_id = \"uuidv7\"\nrequest_id_header = \"x-trace\"")).warnings), [""; 0]);
    let tcp = listener("request_id = \"uuidv7\"\nprotocol = \"tcp\"");
    let warned = told(&good(&tcp).warnings);
    assert!(warned[0].ends_with("`request_id` has no effect: a `tcp` listener sees no requests"), "{warned:?}");
}
