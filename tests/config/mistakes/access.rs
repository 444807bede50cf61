//! Mistakes about who may come in, and about what paths mean.

use crate::support::{Folder, GOOD, SERVICE, bad, good, only_mistake, told};

/// A listener with this key, and a route with that one.
fn with(listener: &str, route: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\nservice = \"app\"\n{listener}\n\
         [[listener.route]]\npath = \"/a\"\nservice = \"app\"\n{route}\n{SERVICE}"
    )
}

#[test]
fn networks_must_be_networks_or_files_that_are_there() {
    for (listener, mistake) in [
        ("allow = [\"10.0.0.1/8\"]", "listener[0].allow[0]: `10.0.0.1/8` is not a network"),
        ("deny = [\"a.example\"]", "listener[0].deny[0]: `a.example` is not a network"),
        ("deny = [\"file:\"]", "listener[0].deny[0]: the path of the file is missing"),
        ("allow = []", "listener[0].allow: an empty `allow` would let everybody in"),
        ("paths = \"raw\"", "listener[0].paths: `paths` can't be \"raw\""),
        ("ambiguous_paths = \"block\"", "listener[0].ambiguous_paths: `ambiguous_paths` can't be \"block\""),
    ] {
        assert_eq!(only_mistake(&with(listener, "")), mistake, "{listener}");
    }
    let missing = only_mistake(&with("", "deny = [\"10.0.0.0/8\", \"file:none.txt\"]"));
    assert!(missing.starts_with("listener[0].route[0].deny[1]: ") && missing.contains("none.txt"), "{missing}");
    let missing = only_mistake(&with("trusted_proxies = [\"10.0.0.0/8\", \"file:none.txt\"]", ""));
    assert!(missing.starts_with("listener[0].trusted_proxies[1]: ") && missing.contains("none.txt"), "{missing}");
    let unix = with("allow = [\"10.0.0.0/8\"]", "").replace("127.0.0.1:8080", "unix:/tmp/a.sock");
    assert_eq!(only_mistake(&unix), "listener[0].allow: clients of a Unix socket have no address: nobody comes in");
    let folder = Folder::new();
    let file = folder.write("networks.txt", "10.0.0.0/8\n10.1.2.3/8\n");
    let wrong = only_mistake(&with(&format!("deny = [\"file:{}\"]", file.display()), ""));
    assert!(
        wrong.contains("networks.txt, line 2: `10.1.2.3/8` has bits set behind the prefix: `10.0.0.0/8`?"),
        "{wrong}"
    );
}

#[test]
fn networks_that_overlap_are_warned_of() {
    let warned = |listener: &str| told(&good(&with(listener, "")).warnings).join("\n");
    assert_eq!(warned("allow = [\"10.0.0.0/8\"]\ndeny = [\"10.1.0.0/16\"]"), "");
    let twice = warned("allow = [\"10.0.0.0/8\"]\ndeny = [\"10.0.0.0/8\"]");
    assert!(twice.contains("listener[0].deny[0]: `10.0.0.0/8` is listed already"), "{twice}");
    let within = warned("deny = [\"10.0.0.0/8\", \"10.1.0.0/16\"]");
    assert!(within.contains("listener[0].deny[1]: `10.1.0.0/16` is in `10.0.0.0/8` of the same list"), "{within}");
}

#[test]
fn auth_asks_for_one_thing_that_somebody_can_show() {
    for (route, mistake) in [
        ("auth = {}", "listener[0].route[0].auth: this `auth` asks for nothing"),
        ("auth = { client_cert = {} }", "listener[0].route[0].auth.client_cert: no certificate may come in"),
        (
            "auth = { client_cert = { names = [\"a.example\"] } }",
            "listener[0].route[0].auth.client_cert: nobody comes in: no client of this listener is asked for a certificate",
        ),
        ("auth = { basic = {} }", "listener[0].route[0].auth.basic: `file` is missing"),
        ("auth = { basci = {} }", "listener[0].route[0].auth.basci: unknown key `basci`"),
    ] {
        let mistakes = bad(&with("", route));
        let all: Vec<String> = mistakes.iter().map(|d| format!("{}: {}", d.path, d.message)).collect();
        assert!(all.iter().any(|told| told == mistake), "{all:#?}");
    }
    let folder = Folder::new();
    let users = folder.write("users", "ann:secret\n");
    let wrong = only_mistake(&with("", &format!("auth = {{ basic = {{ file = {users:?} }} }}")));
    assert!(
        wrong.contains("users, line 1: user `ann`: its password is neither a bcrypt nor an argon2 hash"),
        "{wrong}"
    );
    let bad_names = with("", "auth = { client_cert = { names = [\"*\"], spiffe = [\"spiffe://TD/a\"] } }");
    let all: Vec<String> = bad(&bad_names).iter().map(|d| d.message.clone()).collect();
    assert!(all.contains(&"`*` fits no certificate".to_owned()), "{all:?}");
    assert!(all.contains(&"`spiffe://TD/a` fits no certificate".to_owned()), "{all:?}");
}

#[test]
fn a_listener_that_sees_no_requests_has_networks_and_nothing_else() {
    let layer4 = |listener: &str, route: &str| {
        format!(
            "{GOOD}\n[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:1\"\nprotocol = \"tcp\"\nservice = \"app\"\n{listener}\n\
             [[listener.route]]\nservice = \"app\"\n{route}\n"
        )
    };
    good(&layer4("allow = [\"10.0.0.0/8\"]", "deny = [\"10.1.0.0/16\"]"));
    let all = bad(&layer4("", "auth = { client_cert = { names = [\"a.example\"] } }"));
    let all: Vec<String> = all.iter().map(|d| format!("{}: {}", d.path, d.message)).collect();
    let expected = "listener[1].route[0].auth: `auth` has no effect: a `tcp` listener sees no requests";
    assert!(all.iter().any(|told| told == expected), "{all:#?}");
}

#[test]
fn who_is_believed_is_warned_of_where_it_is_everybody() {
    let everybody = "trusted_proxies = [\"10.0.0.0/8\", \"::/0\"]";
    let warned = told_of(&with(everybody, "allow = [\"10.0.0.0/8\"]"));
    assert!(warned.contains("listener[0].trusted_proxies[1]: everybody may say"), "{warned}");
    assert_eq!(told_of(&with(everybody, "")), "");
}

#[test]
fn a_condition_in_another_spelling_than_paths_are_compared_in_is_warned_of_and_works() {
    let text = with("", "").replace("path = \"/a\"", "path_prefix = \"/x/../%61dmin//\"");
    let loaded = good(&text);
    let warned = told(&loaded.warnings).join("\n");
    assert!(warned.contains("route[0].path_prefix: `/x/../%61dmin//` is compared as `/admin/`"), "{warned}");
    assert_eq!(loaded.config.listeners[0].routes[0].when.to_string(), "path_prefix /admin/");
}

#[test]
fn tokens_are_verified_with_public_keys_that_are_there() {
    let folder = Folder::new();
    let keys = folder.write(
        "keys.json",
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    let jwt = |more: &str| with("", &format!("auth = {{ jwt = {{ jwks = {keys:?}, audience = [\"a\"], {more} }} }}"));
    good(&jwt("claims = { x-user = \"sub\" }, require = { role = \"admin\" }, algorithms = [\"EdDSA\"]"));
    for (more, mistake) in [
        ("algorithms = [\"none\"]", "algorithms[0]: `none` is no signature: everybody could make a token"),
        ("algorithms = [\"HS256\"]", "algorithms[0]: `HS256` is not taken"),
        ("algorithms = [\"es256\"]", "algorithms[0]: `es256` is no algorithm of tokens that is known here"),
        ("from = \"client_ip\"", "from: `client_ip` has no token"),
        (
            "from = \"header:X-User\", claims = { x-user = \"sub\" }",
            "from: `x-user` is one of `claims`: nobody has a token there",
        ),
        ("claims = { authorization = \"sub\" }", "claims.authorization: `authorization` says something else"),
        ("claims = { x-forwarded-for = \"sub\" }", "claims.x-forwarded-for: `x-forwarded-for` says something else"),
    ] {
        let told = only_mistake(&jwt(more));
        assert!(told.starts_with(&format!("listener[0].route[0].auth.jwt.{mistake}")), "{more}: {told}");
    }
    let missing = only_mistake(&with("", "auth = { jwt = { audience = [\"a\"] } }"));
    assert_eq!(missing, "listener[0].route[0].auth.jwt: `jwks` is missing");
    let shared = folder.write("shared.json", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    let told = only_mistake(&with("", &format!("auth = {{ jwt = {{ jwks = {shared:?}, audience = [\"a\"] }} }}")));
    assert!(told.contains("shared.json: none of its 1 keys can be used: a key is a shared secret"), "{told}");
    let warned =
        |jwks: &str, more: &str| told_of(&with("", &format!("auth = {{ jwt = {{ jwks = \"{jwks}\", {more} }} }}")));
    assert_eq!(warned("http://127.0.0.1:1/jwks", "audience = [\"a\"]"), "");
    let clear = warned("http://idp.example/jwks", "audience = [\"a\"]");
    assert!(clear.contains("jwt.jwks: keys that are fetched in clear can be replaced on their way"), "{clear}");
    assert!(warned("https://idp.example/jwks", "").contains("auth.jwt: tokens for every audience come in"));
}

#[test]
fn another_service_that_decides_is_there_and_says_what_only_it_may_say() {
    let forward = |more: &str| with("", &format!("auth = {{ forward = {{ service = \"app\", {more} }} }}"));
    good(&forward("path = \"/check?a=b\", request_headers = [], response_headers = [\"x-user\", \"authorization\"]"));
    good(&forward("client_headers = [\"set-cookie\"], timeout = \"300ms\""));
    for (more, mistake) in [
        ("path = \"check\"", "path: `check` does not begin with \"/\""),
        ("timeout = \"0s\"", "timeout: "),
        ("request_headers = [\"Content-Length\"]", "request_headers[0]: `content-length` is not the client's to say"),
        ("request_headers = [\"X-Forwarded-Uri\"]", "request_headers[0]: `x-forwarded-uri` is not the client's to say"),
        ("request_headers = [\"expect\"]", "request_headers[0]: `expect` is not the client's to say"),
        ("response_headers = [\"x-forwarded-for\"]", "response_headers[0]: `x-forwarded-for` says something else"),
        ("response_headers = [\"content-length\"]", "response_headers[0]: `content-length` says something else"),
        ("response_headers = [\"x-a\", \"X-A\"]", "response_headers[1]: `x-a` is there twice"),
        ("client_headers = [\"location\"]", "client_headers[0]: `location` says something else"),
        (
            "request_headers = [\"x-user\"], response_headers = [\"x-user\"]",
            "request_headers[0]: `x-user` is one of `response_headers`: no request has it",
        ),
    ] {
        let told = only_mistake(&forward(more));
        assert!(told.starts_with(&format!("listener[0].route[0].auth.forward.{mistake}")), "{more}: {told}");
    }
    let nobody = only_mistake(&with("", "auth = { forward = { service = \"ap\" } }"));
    assert_eq!(nobody, "listener[0].route[0].auth.forward.service: there is no service `ap`");
    let missing = only_mistake(&with("", "auth = { forward = {} }"));
    assert_eq!(missing, "listener[0].route[0].auth.forward: `service` is missing");
}

#[test]
fn a_question_about_a_question_about_itself_is_a_mistake() {
    let text = |path: &str, bind: &str, route: &str| {
        format!(
            "[[listener]]\nname = \"web\"\nbind = \"{bind}\"\nservice = \"app\"\n\
             [[listener.route]]\npath_prefix = \"/\"\nservice = \"app\"\n\
             auth = {{ forward = {{ service = \"login\", path = \"{path}\" }} }}\n{route}\n{SERVICE}\n\
             [service.login]\n[[service.login.backend]]\naddress = \"127.0.0.1:8080\"\n"
        )
    };
    let loop_of = "listener[0].route[0].auth.forward.service: `login` is reached through a listener of this file, where it is asked again, \
                   without end";
    for bind in ["127.0.0.1:8080", "0.0.0.0:8080"] {
        assert_eq!(only_mistake(&text("/check", bind, "")), loop_of, "{bind}");
    }
    good(&text("/check", "127.0.0.1:8081", ""));
    // another route takes the question
    let open = "[[listener.route]]\npath = \"/check\"\nservice = \"app\"";
    good(&text("/check", "127.0.0.1:8080", open));
    assert_eq!(only_mistake(&text("/checks", "127.0.0.1:8080", open)), loop_of);
    // a service may guard the routes that lead to itself
    good(&text(
        "/check",
        "127.0.0.1:8082",
        "[[listener.route]]\npath_prefix = \"/login/\"\nservice = \"login\"\nauth = { forward = { service = \"login\" } }",
    ));
}

#[test]
fn a_limit_by_a_claim_stands_where_tokens_are_verified() {
    let folder = Folder::new();
    let key = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = folder.write("keys.json", key);
    let jwt = format!("auth = {{ jwt = {{ jwks = {keys:?}, audience = [\"a\"] }} }}");
    let limit = |section: &str| format!("[[{section}.rate_limit]]\nrate = \"1/s\"\nby = \"claim:sub\"\n");
    good(&with("", &format!("{jwt}\n{}", limit("listener.route"))));
    let told = only_mistake(&with("", &limit("listener.route")));
    assert_eq!(told, "listener[0].route[0].rate_limit[0].by: `claim:sub` is never known: this route verifies no token");
    let told = only_mistake(&with(&limit("listener"), &jwt));
    assert_eq!(told, "listener[0].rate_limit[0].by: `claim:sub` is never known: a listener verifies no token");
    let told = only_mistake(&with("", &format!("{jwt}\n{}", limit("listener.route").replace("claim:sub", "claim:"))));
    assert_eq!(told, "listener[0].route[0].rate_limit[0].by: the name of the claim is missing");
}

#[test]
fn passwords_in_clear_are_warned_of_where_others_can_reach_the_listener() {
    let folder = Folder::new();
    let users = folder.write("users", format!("ann:{}\n", bcrypt::hash("secret", 4).unwrap()).as_str());
    let basic = format!("auth = {{ basic = {{ file = {users:?} }} }}");
    let warned = "listener[0].route[0].auth.basic: passwords come in clear: this listener has no TLS";
    for (bind, listener, is_warned) in [
        ("127.0.0.1:8080", "", false),
        ("[::1]:8080", "", false),
        ("unix:/tmp/a.sock", "", false),
        ("0.0.0.0:8080", "", true),
        ("[::]:8080", "", true),
        ("0.0.0.0:8080", "trusted_proxies = [\"10.0.0.1\"]", false),
    ] {
        let told = told_of(&with(listener, &basic).replace("127.0.0.1:8080", bind));
        assert_eq!(told.contains(warned), is_warned, "{bind}: {told}");
    }
}

#[test]
fn a_protected_prefix_whose_name_itself_goes_elsewhere_is_warned_of() {
    let warned = "listener[0].route[0].path_prefix: `/admin` itself is not protected: `/admin/` does not take it";
    let more = |route: &str| format!("deny = [\"10.0.0.0/8\"]\n[[listener.route]]\n{route}\nservice = \"app\"");
    for (prefix, route, is_warned) in [
        ("/admin/", more("path = \"/other\""), true),
        ("/admin/", more("path_prefix = \"/adm\""), true),
        ("/admin/", more("path = \"/admin\"\nhost = \"a.example\""), true),
        ("/admin/", more("path = \"/admin\""), false),
        ("/admin/", more("path_prefix = \"/adm\"\ndeny = [\"10.0.0.0/8\"]"), false),
        ("/admin", more("path = \"/other\""), false),
        ("/", more("path = \"/other\""), false),
        ("/admin/", String::new(), false),
    ] {
        let text = with("", &route).replace("path = \"/a\"", &format!("path_prefix = \"{prefix}\""));
        let told = told_of(&text);
        assert_eq!(told.contains(warned), is_warned, "{prefix} {route}: {told}");
    }
    let elsewhere = with("", &more("path = \"/other\"")).replace("path = \"/a\"", "path_prefix = \"/admin/\"");
    let elsewhere = elsewhere.replacen("service = \"app\"\n", "", 1);
    assert!(!told_of(&elsewhere).contains(warned), "it goes nowhere");
}

fn told_of(text: &str) -> String {
    told(&good(text).warnings).join("\n")
}
