//! Values from the environment: of any type, with defaults, and never told.

use crate::support::{GOOD, bad, good};

/// A good configuration with these variables and these keys of the service and its listener.
fn with(environment: &str, listener: &str, service: &str) -> String {
    let good = GOOD.replace("service = \"app\"", &format!("service = \"app\"\n{listener}"));
    format!("[server]\nenvironment = {{ {environment} }}\n{good}\n[service.app]\n{service}\n")
}

#[test]
fn a_variable_is_read_as_the_type_that_its_key_wants() {
    let environment = "WORKERS = '3', FREE = 'true', SHARE = '0.25', TIME = '7s', SIZE = '2048', WORD = 'power_of_two', NETS = '10.0.0.0/8, 192.0.2.1', FACTOR = '2.5', NONE = ''";
    let listener = "free_bind = '${FREE}'\nlimits.max_body = '${SIZE}'\ntrusted_proxies = '${NETS}'\ndeny = '${NONE}'\nmax_connections = '${UNSET_NUMBER:-17}'";
    let service = "panic_threshold = '${SHARE}'\nslow_start = '${TIME}'\nbalance = '${WORD}'\noutlier.latency_factor = '${FACTOR}'\nabort_on_close = '${UNSET_SWITCH:-false}'";
    let text = with(environment, listener, service).replace("[server]\n", "[server]\nworkers = '${WORKERS}'\n");
    let loaded = good(&text);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.server.workers, 3);
    let service = &loaded.config.services[0];
    assert_eq!((service.panic_threshold, service.slow_start.as_secs(), service.abort_on_close), (0.25, 7, false));
    let shown = loaded.effective.to_json();
    let (listener, service) = (&shown["listener"][0], &shown["service"]["app"]);
    // what is no string is no secret
    assert_eq!(
        (&shown["server"]["workers"], &listener["free_bind"], &listener["max_connections"]),
        (&3.into(), &true.into(), &17.into())
    );
    assert_eq!((&service["panic_threshold"], &service["outlier"]["latency_factor"]), (&0.25.into(), &2.5.into()));
    assert_eq!((&listener["trusted_proxies"], &service["slow_start"]), (&"${NETS}".into(), &"${TIME}".into()));
}

#[test]
fn an_array_has_what_stands_between_commas() {
    let loaded = good(&with("NETS = ' 10.0.0.0/8 ,192.0.2.1'", "allow = '${NETS}'", ""));
    let access = loaded.config.listeners[0].access.as_ref().unwrap();
    assert!(format!("{access:?}").contains("192.0.2.1"), "{access:?}");
    let told = bad(&with("NETS = '10.0.0.0/8,nonsense'", "allow = '${NETS}'", ""));
    assert_eq!(told.len(), 1, "{told}");
}

#[test]
fn a_default_is_for_what_is_not_set_or_empty() {
    let bind = |bind: &str| {
        let text = format!("[server.environment]\nEMPTY = ''\nPORT = '81'\n{}", GOOD.replace("8080", bind));
        format!("{:?}", good(&text).config.listeners[0].bind)
    };
    assert_eq!(bind("${PORT:-82}"), "Tcp(127.0.0.1:81)");
    assert_eq!(bind("${EMPTY:-82}"), "Tcp(127.0.0.1:82)");
    assert_eq!(bind("${NOWHERE_TO_BE_FOUND:-82}"), "Tcp(127.0.0.1:82)");
    assert_eq!(bind("${EMPTY:-}8${EMPTY}2"), "Tcp(127.0.0.1:82)");
}

/// The only mistake, as "path: message", what was expected, and help.
fn only(text: &str) -> (String, String, String) {
    let diagnostics = bad(text);
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    let only = diagnostics.iter().next().unwrap();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (format!("{}: {}", only.path, only.message), text(&only.expected), text(&only.help))
}

#[test]
fn a_bad_value_is_told_by_the_name_of_its_variable() {
    let workers = |value: &str| {
        let text = with(&format!("WORKERS = '{value}'"), "", "");
        only(&text.replace("[server]\n", "[server]\nworkers = '${WORKERS}'\n"))
    };
    let at = "server.workers:";
    assert_eq!(workers("many").0, format!("{at} `workers` can't be what `${{WORKERS}}` stands for"));
    assert_eq!(workers("many").1, "an integer");
    assert_eq!(workers("").0, format!("{at} `workers` can't be what `${{WORKERS}}` stands for"));
    assert_eq!(
        workers("5000"),
        (
            format!("{at} `workers` is out of range"),
            "a number from 0 to 1024".into(),
            "it comes from `${WORKERS}`".into()
        )
    );
    let (message, expected, _) = only(&with("SLOW = '5 sec'", "", "slow_start = '${SLOW}'"));
    assert_eq!(message, "service.app.slow_start: `${SLOW}` can't be read");
    assert!(expected.starts_with("a duration"), "{expected}");
    let (message, _, _) = only(&with("FREE = 'yes'", "free_bind = '${FREE}'", ""));
    assert_eq!(message, "listener[0].free_bind: `free_bind` can't be what `${FREE}` stands for");
    let (message, ..) = only(&with("FREE = 'true'", "", "slow_start = '${FREE}'"));
    assert_eq!(message, "service.app.slow_start: `${FREE}` can't be read");
}

#[test]
fn a_secret_is_never_told() {
    for (listener, service) in [
        ("max_connections = '${API_TOKEN}'", ""),
        ("", "slow_start = '${API_TOKEN}'"),
        ("", "balance = '${API_TOKEN}'"),
        ("trusted_proxies = '${API_TOKEN}'", ""),
        ("allow = ['${API_TOKEN}']", ""),
        ("rate_limit = [{ rate = '1/s', store = '${API_TOKEN}' }]", ""),
        ("", "tls.ca = '${API_TOKEN}/ca.pem'"),
        ("", "discover.dns = '${API_TOKEN}'"),
        ("request_headers.set = { '${API_TOKEN}' = 'x' }\nmark = -1", ""),
    ] {
        let text = with("API_TOKEN = 'hunter2-hunter2'", listener, service);
        let told = bad(&text);
        let json = serde_json::to_string(&told).unwrap();
        assert!(!json.contains("hunter2") && !told.to_string().contains("hunter2"), "{told}");
    }
}

#[test]
fn what_a_variable_holds_is_in_no_suggestion() {
    for (value, service) in [
        ("42ss", "slow_start = '${WAIT}'"),
        ("power_of_tow", "balance = '${WAIT}'"),
        ("127.0.0.300:8080", "backend = [{ address = '${WAIT}' }]"),
        ("http://10.9.9.9:8080", "backend = [{ address = '${WAIT}' }]"),
        ("10.9.9.9/8", "source = '${WAIT}'"),
        ("10.9.9.0/24,10.9.8.7/8", "source = '${WAIT}'"),
        ("2xx", "failure_status = '${WAIT}'"),
        ("12,5", "panic_threshold = '${WAIT}'"),
        ("4k", "mark = '${WAIT}'"),
        ("nowhere-to-be-found", "retry = { on = '${WAIT}' }"),
        ("5ss", "retry = '${WAIT}'"),
    ] {
        let text = with(&format!("WAIT = '{value}'"), "", service);
        let text = if service.contains("backend") {
            text.replace("[[service.app.backend]]\naddress", "[[service.b.backend]]\naddress")
        } else {
            text
        };
        let told = bad(&text);
        for one in told.iter().filter(|one| one.path.starts_with("service.app")) {
            assert_eq!((&one.suggestion, &one.replacement), (&None, &None), "{told}");
            let words = [Some(&one.message), one.help.as_ref(), one.expected.as_ref()];
            let pieces = value.split([',', ':', '/']).filter(|piece| piece.len() > 3 && *piece != "http");
            for piece in pieces {
                assert!(words.iter().flatten().all(|text| !text.contains(piece)), "{told}");
            }
        }
    }
}

#[test]
fn a_default_that_cannot_be_is_told() {
    let redirect = |to: &str| {
        let route = format!("[[listener.route]]\npath = '/'\nredirect.to = '{to}'\n[[service");
        only(&GOOD.replace("[[service", &route)).0
    };
    assert_eq!(
        redirect("https://${host:-a}/"),
        "listener[0].route[0].redirect.to: `${host}` is filled in later, and has no default"
    );
    assert_eq!(
        redirect("https://${A:-${B}}/"),
        "listener[0].route[0].redirect.to: the default of `${A}` can't have a `${`"
    );
}
