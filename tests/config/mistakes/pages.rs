//! Mistakes in what clients are shown: `error_pages`, `maintenance`, and the file of `respond`.

use crate::support::{Folder, GOOD, SERVICE, bad, good, only_mistake, told};

/// A file with a route that has these keys.
fn with_route(keys: &str) -> String {
    GOOD.replace("[[service.app", &format!("[[listener.route]]\n{keys}\n[[service.app"))
}

/// A file whose listener has these keys.
fn with(keys: &str) -> String {
    GOOD.replace("service = \"app\"", &format!("service = \"app\"\n{keys}"))
}

#[test]
fn pages_are_files_of_statuses() {
    let at = "listener[0].error_pages";
    for (keys, mistake) in [
        ("200 = 'a.html'", "200: `200` is no status that has an error page"),
        ("5XX = 'a.html'", "5XX: `5XX` is no status that has an error page"),
        ("backend = true", "backend: `backend` is no status that has an error page"),
        ("502 = true", "502: a status needs a page"),
        ("502 = []", "502: an empty array names no page"),
        ("502 = 5", "502: `502` can't be an integer"),
        ("backends = 'all'", "backends: `backends` says which answers of backends get a page"),
        ("backends = '200-599'", "backends: `backends` says which answers of backends get a page"),
        ("backends = ['a']", "backends: `backends` says which answers of backends get a page"),
    ] {
        assert_eq!(only_mistake(&with(&format!("error_pages = {{ {keys} }}"))), format!("{at}.{mistake}"), "{keys}");
    }
    let near =
        |keys: &str| bad(&with(&format!("error_pages = {{ {keys} }}"))).iter().next().unwrap().suggestion.clone();
    assert_eq!((near("50x = 'a'"), near("backend = true")), (Some("5xx".to_owned()), Some("backends".to_owned())));
    assert_eq!(near("404 = 4"), None);
}

#[test]
fn a_file_that_is_not_there_is_told_at_its_place() {
    for (text, at) in [
        (with("error_pages = { 502 = 'none.html' }"), "6:23 listener[0].error_pages.502"),
        (with("error_pages = { 502 = ['none.html'] }"), "6:24 listener[0].error_pages.502[0]"),
        (with("maintenance = { file = 'none.html' }"), "6:24 listener[0].maintenance.file"),
        (with_route("respond = { status = 200, file = 'none.html' }"), ".route[0].respond.file"),
        (with_route("service = 'app'\nerror_pages = { 404 = 'none.html' }"), ".route[0].error_pages.404"),
        (format!("server.error_pages = {{ 404 = 'none.html' }}\n{GOOD}"), "server.error_pages.404"),
        (format!("{GOOD}\n[service.app.error_pages]\n404 = 'none.html'\n"), "service.app.error_pages.404"),
        (format!("{GOOD}\n[service.app.maintenance]\nfile = 'none.html'\n"), "service.app.maintenance.file"),
    ] {
        let told = told(&bad(&text)).join("\n");
        assert!(told.contains(at) && told.contains("none.html` can't be read: No such file"), "{at}: {told}");
    }
    let folder = Folder::new();
    let large = folder.write("large.html", "x".repeat((1 << 20) + 1));
    let mistake = only_mistake(&with(&format!("error_pages = {{ 502 = {:?} }}", large)));
    assert!(mistake.ends_with("large.html` can't be read: it is larger than 1 MiB"), "{mistake}");
}

#[test]
fn a_route_responds_with_a_body_or_a_file() {
    let folder = Folder::new();
    let file = folder.write("a.html", "x");
    let at = "listener[0].route[0].respond.file";
    let respond = |keys: &str| with_route(&format!("respond = {{ {keys}, file = {file:?} }}"));
    assert_eq!(only_mistake(&respond("status = 200, body = 'x'")), format!("{at}: `file` beside `body`"));
    assert_eq!(only_mistake(&respond("status = 204")), format!("{at}: an answer with status 204 has no body"));
    good(&respond("status = 200, content_type = 'text/x'"));
}

#[test]
fn a_variable_that_is_nearly_one_is_warned_of_and_what_is_a_scripts_is_not() {
    let folder = Folder::new();
    let page = folder.write("a.html", "${requestid} ${status} ${x} `${items.length}`");
    let warned = told(&good(&with(&format!("error_pages = {{ 502 = {page:?} }}"))).warnings).join("\n");
    assert!(
        warned.contains("~6:23 listener[0].error_pages.502: `${requestid}` in `")
            && warned.ends_with("is sent as it stands"),
        "{warned}"
    );
    let page = folder.write("b.html", "${request_id} ${x} `${items.length}`");
    assert!(good(&with(&format!("error_pages = {{ 502 = {page:?} }}"))).warnings.is_empty());
}

#[test]
fn maintenance_has_a_status_that_tells_it_and_networks_that_are_some() {
    for (keys, mistake) in [
        ("status = 200", "status: `status` is out of range"),
        ("allow = ['10.0.0.1/8']", "allow[0]: `10.0.0.1/8` is not a network"),
        ("retry_after = '0s'", "retry_after: `retry_after` can't be 0"),
        ("on = true", "on: unknown key `on`"),
    ] {
        let text = with(&format!("maintenance = {{ {keys} }}"));
        assert_eq!(only_mistake(&text), format!("listener[0].maintenance.{mistake}"), "{keys}");
    }
    good(&with("maintenance = { enabled = true, allow = [] }"));
    // the two that are called so don't stand for each other
    let mixed = only_mistake(&format!(
        "{GOOD}\n[service.app]\nmaintenance = [{{ every = 'Sun 02:00-04:00 Europe/Berlin' }}]\n"
    ));
    assert!(mixed.starts_with("service.app.maintenance: `maintenance` can't be an array"), "{mixed}");
}

#[test]
fn a_listener_without_requests_shows_no_page() {
    let tcp = format!(
        "[[listener]]\nname = 'a'\nbind = '127.0.0.1:8080'\nprotocol = 'tcp'\nservice = 'app'\nmaintenance = {{}}\n{SERVICE}\
         [service.app.maintenance]\nenabled = true\n"
    );
    let warned = told(&good(&tcp).warnings).join("\n");
    assert!(
        warned.contains("listener[0].maintenance: `maintenance` has no effect: a `tcp` listener sees no requests"),
        "{warned}"
    );
    assert!(
        warned.contains("listener[0].service: maintenance of `app` does not end what a `tcp` listener sends there"),
        "{warned}"
    );
}
