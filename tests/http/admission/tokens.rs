//! `auth = { jwt = { ... } }`.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::issuer::{Issuer, encoded, unix};
use crate::support::h2;
use crate::support::{Origin, Proxy, Response, Scratch, config, wait_until};

const ISSUER: &str = "https://idp.example";

struct Stage {
    issuer: Issuer,
    origin: Origin,
    dir: Scratch,
    proxy: Proxy,
}

fn toml(origin: &Origin, jwks: &str, more: &str) -> String {
    let route = format!(
        "[[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\n[listener.route.auth.jwt]\njwks = {jwks:?}\n\
         issuer = \"{ISSUER}\"\naudience = [\"api\"]\n{more}\n"
    );
    config(&route, "", &[origin])
}

fn stage(more: &str) -> Stage {
    let (issuer, origin, dir) = (Issuer::new(), Origin::ok(), Scratch::new());
    let file = dir.file("keys.json", issuer.jwks());
    let proxy = Proxy::start(&toml(&origin, file.to_str().unwrap(), more));
    Stage { issuer, origin, dir, proxy }
}

/// What a good token says.
fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": unix() + 600, "role": ["user", "admin"]})
}

/// The same with this claim, or without it.
fn but(name: &str, value: Value) -> Value {
    let mut all = claims();
    match value {
        Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
        value => all[name] = value,
    }
    all
}

fn get(proxy: &Proxy, target: &str, lines: &str) -> Response {
    let mut client = proxy.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    client.response()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

impl Stage {
    fn show(&self, token: &str) -> Response {
        get(&self.proxy, "/in/", &bearer(token))
    }

    fn status(&self, token: &str) -> u16 {
        self.show(token).status
    }
}

#[test]
fn who_has_a_signed_token_comes_in_and_backends_are_told_what_it_says() {
    let stage = stage("claims = { \"x-user\" = \"sub\", \"x-roles\" = \"role\", \"x-team\" = \"team\" }");
    let answer = get(&stage.proxy, "/in/", "");
    assert_eq!((answer.status, answer.field("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(answer.field("proxy-status"), Some("evenkeel; error=http_request_denied"));
    for alg in ["RS256", "RS512", "PS256", "ES256", "EdDSA"] {
        let token = stage.issuer.token(alg, &claims());
        // the second time its signature is remembered
        for _ in 0..2 {
            let forged = "X-User: root\r\nX_User: root\r\nX-Roles: root\r\nX-Team: root\r\nX-Team: root\r\n";
            assert_eq!(get(&stage.proxy, "/in/", &format!("{forged}{}", bearer(&token))).status, 200, "{alg}");
        }
    }
    for request in stage.origin.requests() {
        assert_eq!((request.head.all("x-user"), request.head.all("x-roles")), (vec!["ann"], vec!["user,admin"]));
        assert_eq!((request.field("x_user"), request.field("x-team")), (None, None));
    }
    assert_eq!(get(&stage.proxy, "/out", "X-User: root\r\n").status, 200);
    assert_eq!(stage.origin.requests().pop().unwrap().field("x-user"), None);
}

#[test]
fn tokens_that_are_not_what_they_say_do_not_come_in() {
    let stage = stage("");
    let issuer = &stage.issuer;
    let text = claims().to_string();
    let good = issuer.token("RS256", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let mut bad = Vec::new();
    // no signature
    for none in ["none", "None", "NONE", "nOnE", "none ", "", "null"] {
        let header = encoded(json!({ "alg": none }).to_string().as_bytes());
        let header_with_key = encoded(json!({"alg": none, "kid": "rsa"}).to_string().as_bytes());
        for header in [&header, &header_with_key] {
            bad.push(format!("{header}.{}.", parts[1]));
            bad.push(format!("{header}.{}.{}", parts[1], parts[2]));
            bad.push(format!("{header}.{}", parts[1]));
        }
    }
    // the public key as the secret of an HMAC
    let body = encoded(issuer.public_rsa());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    for secret in [issuer.public_rsa(), pem.as_bytes(), issuer.jwks().as_bytes(), b"", b"secret"] {
        for header in
            [json!({"alg": "HS256"}), json!({"alg": "HS256", "kid": "rsa"}), json!({"alg": "RS256", "kid": "rsa"})]
        {
            let message = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(text.as_bytes()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            bad.push(format!("{message}.{}", encoded(tag.as_ref())));
        }
    }
    // a key of another kind, or of somebody else
    bad.push(issuer.signed("RS256", r#"{"alg":"ES256","kid":"rsa"}"#, &text));
    bad.push(issuer.signed("RS256", r#"{"alg":"RS256","kid":"ec"}"#, &text));
    bad.push(issuer.signed("RS256", r#"{"alg":"PS256","kid":"rsa"}"#, &text));
    bad.push(issuer.signed("RS512", r#"{"alg":"RS256","kid":"rsa"}"#, &text));
    bad.push(issuer.signed("ES256", r#"{"alg":"EdDSA","kid":"ed"}"#, &text));
    bad.push(issuer.signed("EdDSA", r#"{"alg":"ES256","kid":"ec"}"#, &text));
    bad.push(issuer.signed("ES256", r#"{"alg":"ES256","kid":"nobody's"}"#, &text));
    let other = Issuer::new();
    ["RS256", "ES256", "EdDSA"].into_iter().for_each(|alg| bad.push(other.token(alg, &claims())));
    // a key that the token brings along
    let own = &other.keys()[0];
    for header in [
        json!({"alg": "RS256", "jwk": own}),
        json!({"alg": "RS256", "kid": "rsa", "jwk": own}),
        json!({"alg": "RS256", "kid": "rsa", "jku": "http://127.0.0.1:1/keys"}),
        json!({"alg": "RS256", "kid": "rsa", "x5u": "http://127.0.0.1:1/keys", "x5c": ["AAAA"]}),
    ] {
        bad.push(other.signed("RS256", &header.to_string(), &text));
    }
    // what nobody understands, what is there twice
    bad.push(issuer.signed("RS256", r#"{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}"#, &text));
    bad.push(issuer.signed("RS256", r#"{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}"#, &text));
    bad.push(issuer.signed("RS256", r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#, &text));
    bad.push(issuer.signed("RS256", r#"{"alg":"RS256","kid":"rsa"}"#, &text.replacen('{', "{\"sub\":\"root\",", 1)));
    bad.push(issuer.signed("RS256", r#"{"alg":"RS256","kid":"rsa"}"#, "[]"));
    // signatures of zeros, in DER, too short, none
    let es = issuer.token("ES256", &claims());
    let es = es.rsplit_once('.').unwrap().0;
    for length in [0, 1, 63, 64, 65, 72, 96] {
        bad.push(format!("{es}.{}", encoded(&vec![0; length])));
    }
    bad.push(issuer.signed("ES256 in DER", r#"{"alg":"ES256","kid":"ec"}"#, &text));
    bad.push(format!("{}.{}.{}", parts[0], parts[1], encoded(&[0; 256])));
    // parts that are cut, swapped, padded, or have others beside them
    bad.extend((0..good.len()).step_by(37).map(|end| good[..end].to_owned()));
    bad.push(format!("{}.{}.{}", parts[1], parts[0], parts[2]));
    bad.push(format!("{good}="));
    bad.push(format!("{}=.{}.{}", parts[0], parts[1], parts[2]));
    bad.push(format!("{good}.{}", parts[2]));
    bad.push(format!("{}. {}.{}", parts[0], parts[1], parts[2]));
    bad.push(format!("{}\t.{}.{}", parts[0], parts[1], parts[2]));
    bad.push(format!("{good},{good}"));
    bad.push(format!("{good} {good}"));
    bad.push(format!(" {good}"));
    bad.push(format!("\"{good}\""));
    let raised = encoded(text.replace("ann", "root").as_bytes());
    bad.push(format!("{}.{raised}.{}", parts[0], parts[2]));
    // too long, though all is right with it
    bad.push(issuer.token("RS256", &but("x", json!("x".repeat(9000)))));
    bad.push("a.".repeat(4000));
    for token in &bad {
        assert_eq!(stage.status(token), 401, "{token}");
    }
    for lines in [
        format!("Authorization: Basic {good}\r\n"),
        format!("Authorization: {good}\r\n"),
        format!("Authorization: Bearer{good}\r\n"),
        bearer(&good).repeat(2),
        format!("{}Authorization: Basic YTpi\r\n", bearer(&good)),
        format!("Proxy-Authorization: Bearer {good}\r\n"),
        format!("Cookie: token={good}\r\n"),
    ] {
        assert_eq!(get(&stage.proxy, "/in/", &lines).status, 401, "{lines}");
    }
    assert_eq!(stage.origin.connections(), 0, "no backend was asked");
    assert_eq!(stage.status(&good), 200);
    assert_eq!(get(&stage.proxy, "/in/", &bearer(&good).replace("Bearer", "bEARER")).status, 200);
}

#[test]
fn a_good_signature_does_not_make_other_claims_good() {
    let stage = stage("require = { role = \"admin\" }\nleeway = \"60s\"");
    let challenge = |claims: &Value| {
        let answer = stage.show(&stage.issuer.token("EdDSA", claims));
        (answer.status, answer.field("www-authenticate").unwrap_or_default().to_owned())
    };
    for (claims, reason) in [
        (but("exp", json!(unix() - 61)), "the token has expired"),
        (but("exp", json!(0)), "the token has expired"),
        (but("exp", json!((unix() + 600).to_string())), "the token is malformed"),
        (but("exp", Value::Null), "the token never expires"),
        (but("nbf", json!(unix() + 600)), "the token is not valid yet"),
        (but("iat", json!(unix() + 600)), "the token is not valid yet"),
        (but("iss", json!("https://idp.example.evil")), "the token is from another issuer"),
        (but("iss", Value::Null), "the token is from another issuer"),
        (but("aud", json!("other")), "the token is for another audience"),
        (but("aud", json!(["other", "API"])), "the token is for another audience"),
        (but("aud", Value::Null), "the token is for another audience"),
    ] {
        let expected = format!("Bearer error=\"invalid_token\", error_description=\"{reason}\"");
        assert_eq!(challenge(&claims), (401, expected), "{claims}");
    }
    for claims in [but("role", Value::Null), but("role", json!("administrator")), but("role", json!({"admin": 1}))] {
        let (status, told) = challenge(&claims);
        assert_eq!((status, told.starts_with("Bearer error=\"insufficient_scope\"")), (403, true), "{claims}");
    }
    assert_eq!(stage.origin.connections(), 0);
    for claims in
        [claims(), but("exp", json!(unix() - 30)), but("aud", json!(["x", "api"])), but("nbf", json!(unix() + 30))]
    {
        assert_eq!(challenge(&claims).0, 200, "{claims}");
    }
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"credentials\"}";
    assert_eq!(stage.proxy.metric(denied), 14);
}

#[test]
fn the_access_log_says_why_a_token_was_not_taken() {
    let (issuer, origin, dir) = (Issuer::new(), Origin::ok(), Scratch::new());
    let file = dir.file("keys.json", issuer.jwks());
    let log = dir.path().join("access.log");
    let text = toml(&origin, file.to_str().unwrap(), "require = { role = \"admin\" }");
    let proxy = Proxy::start(&format!("{text}\n[log]\naccess = \"{}\"\n", log.display()));
    for (lines, failure) in [
        (String::new(), "not authenticated: no token"),
        (bearer(&issuer.token("RS256", &but("exp", json!(0)))), "not authenticated: the token has expired"),
        (
            bearer(&issuer.token("RS256", &but("aud", json!("x")))),
            "not authenticated: the token is for another audience",
        ),
        (bearer(&issuer.token("RS256", &but("role", json!("x")))), "not allowed: the token does not allow this"),
    ] {
        get(&proxy, "/in/", &lines);
        wait_until(failure, || std::fs::read_to_string(&log).unwrap_or_default().contains(failure));
    }
}

#[test]
fn a_token_is_taken_from_a_cookie_or_the_query_where_it_is_there_once() {
    let stage = stage("from = \"cookie:session\"");
    let token = stage.issuer.token("ES256", &claims());
    let cookie = |value: &str| get(&stage.proxy, "/in/", &format!("Cookie: {value}\r\n")).status;
    assert_eq!(cookie(&format!("a=b; session={token}")), 200);
    assert_eq!(cookie(&format!("session={token}; session={token}")), 401);
    assert_eq!(cookie(&format!("Session={token}")), 401);
    assert_eq!(stage.status(&token), 401, "a token elsewhere is none");
    let file = stage.dir.path().join("keys.json");
    let proxy = Proxy::start(&toml(&stage.origin, file.to_str().unwrap(), "from = \"query:access_token\""));
    let query = |query: &str| get(&proxy, &format!("/in/?{query}"), "").status;
    assert_eq!(query(&format!("a=b&access_token={token}")), 200);
    assert_eq!(query(&format!("access_token={token}&access_token={token}")), 401);
    assert_eq!(query(&format!("my_access_token={token}")), 401);
}

#[test]
fn no_second_token_gets_to_backends_in_another_spelling_of_where_it_is() {
    let stage = stage("from = \"cookie:t\"");
    let token = stage.issuer.token("ES256", &claims());
    let file = stage.dir.path().join("keys.json");
    let started =
        |from: &str| Proxy::start(&toml(&stage.origin, file.to_str().unwrap(), &format!("from = \"{from}\"")));
    for cookie in [
        "t =x; t=TOKEN",
        "t=TOKEN; t\t=x",
        "%74=x; t=TOKEN",
        "a=1, t=x; t=TOKEN",
        "T=x; t=TOKEN",
        "t=TOKEN\r\nCookie: t =x",
    ] {
        let cookie = cookie.replace("TOKEN", &token);
        assert_eq!(get(&stage.proxy, "/in/", &format!("Cookie: {cookie}\r\n")).status, 401, "{cookie}");
    }
    let proxy = started("query:t");
    for query in [
        "%74=x&t=TOKEN",
        "t=TOKEN&%74=x",
        "T=x&t=TOKEN",
        "a=1;t=x&t=TOKEN",
        "t[]=x&t=TOKEN",
        "+t=x&t=TOKEN",
        "t=TOKEN&t",
    ] {
        let query = query.replace("TOKEN", &token);
        assert_eq!(get(&proxy, &format!("/in/?{query}"), "").status, 401, "{query}");
    }
    assert!(stage.origin.requests().is_empty());
    assert_eq!(get(&proxy, &format!("/in/?a=%74&tt=1&t={token}"), "").status, 200);
    assert_eq!(get(&stage.proxy, "/in/", &format!("Cookie: a=t; tt=1; t={token}\r\n")).status, 200);
    for (from, field, other) in
        [("header:X-Token", "X-Token", "X_Token"), ("header:Authorization", "Authorization", "Authorization")]
    {
        let proxy = started(from);
        let value = if field == "Authorization" { format!("Bearer {token}") } else { token.clone() };
        let spelled = if field == other { String::new() } else { format!("{other}: forged\r\n") };
        let mut client = proxy.client();
        client.send(format!(
            "POST /in/ HTTP/1.1\r\nHost: a\r\n{field}: {value}\r\n{spelled}Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n\
             2\r\nok\r\n0\r\n{field}: forged\r\n{other}: forged\r\nX-Sum: 1\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200, "{from}");
        let got = stage.origin.requests().pop().unwrap();
        assert_eq!((got.head.all(field), got.field("x_token")), (vec![&*value], None));
        let trailers = format!("{:?}", got.trailers);
        assert!(trailers.contains('1') && !trailers.contains("forged"), "{trailers}");
    }
}

#[test]
fn a_token_comes_in_over_http_2_and_grpc_calls_are_told_in_their_way() {
    let stage = stage("");
    h2::run(async {
        let client = h2::Client::connect(stage.proxy.address()).await;
        let mut request = h2::get("http://a/in/");
        let token = format!("Bearer {}", stage.issuer.token("ES256", &claims()));
        request.headers_mut().insert("authorization", token.parse().unwrap());
        assert_eq!(client.call(request, "").await.status, 200);
        let mut call = h2::post("http://a/in/");
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        let answer = client.call(call, "").await;
        assert_eq!(answer.headers.get("grpc-status").unwrap(), "16");
    });
}

#[test]
fn keys_of_a_file_are_rotated_and_a_mistake_keeps_them() {
    let stage = stage("");
    let (next, ours) = (Issuer::new(), stage.issuer.token("RS256", &claims()));
    let theirs = next.token("RS256", &claims());
    assert_eq!([stage.status(&ours), stage.status(&theirs)], [200, 401]);
    stage.dir.file("keys.json", "{\"keys\":[]}");
    wait_until("the mistake is told", || {
        stage.proxy.admin("/api/v1/events?limit=1000").unwrap().text().contains("access_file_refused")
    });
    assert_eq!([stage.status(&ours), stage.status(&theirs)], [200, 401]);
    stage.dir.file("keys.json", next.jwks());
    wait_until("the new keys are in force", || stage.status(&theirs) == 200);
    assert_eq!(stage.status(&ours), 401, "what was remembered of it is over as well");
}

#[test]
fn of_ten_thousand_keys_the_right_one_is_found() {
    let (issuer, origin, dir) = (Issuer::new(), Origin::ok(), Scratch::new());
    let mut keys: Vec<Value> = (0_u32..9000)
        .map(|number| {
            let x = [&number.to_le_bytes()[..], &[7; 28]].concat();
            json!({"kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "x": encoded(&x)})
        })
        .collect();
    keys.extend(issuer.keys());
    let file = dir.file("keys.json", json!({ "keys": keys }).to_string());
    let proxy = Proxy::start(&toml(&origin, file.to_str().unwrap(), ""));
    let status = |token: &str| get(&proxy, "/in/", &bearer(token)).status;
    assert_eq!(status(&issuer.token("EdDSA", &claims())), 200);
    assert_eq!(status(&issuer.signed("EdDSA", r#"{"alg":"EdDSA","kid":"17"}"#, &claims().to_string())), 401);
    // without a name four keys are tried, and this is not one of them
    assert_eq!(status(&issuer.signed("EdDSA", r#"{"alg":"EdDSA"}"#, &claims().to_string())), 401);
    assert_eq!(status(&issuer.signed("RS256", r#"{"alg":"RS256"}"#, &claims().to_string())), 200);
}

#[test]
fn keys_of_a_url_are_fetched_again_for_a_new_key_and_stay_when_the_url_fails() {
    let (first, second, origin) = (Issuer::new(), Issuer::new(), Origin::ok());
    let answer = Arc::new(Mutex::new(Some(first.jwks())));
    let current = Arc::clone(&answer);
    let idp = Origin::script(move |conn| {
        while conn.request().is_ok() {
            let body = current.lock().unwrap().clone();
            conn.send(match body {
                Some(body) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                None => "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n".to_owned(),
            });
        }
    });
    let text = toml(&origin, &format!("http://{}/jwks?key=secret", idp.address()), "refresh = \"1h\"");
    let proxy = Proxy::start(&text);
    let status = |token: &str| get(&proxy, "/in/", &bearer(token)).status;
    let ours = first.token("RS256", &claims());
    // a request waits for the first keys, for a while
    wait_until("the keys are fetched", || status(&ours) == 200);
    // the issuer has another key, which is asked for when a token names it
    let mut keys = first.keys();
    let mut key = second.keys().remove(1);
    key["kid"] = json!("next");
    keys.push(key);
    *answer.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    let next = second.signed("ES256", r#"{"alg":"ES256","kid":"next"}"#, &claims().to_string());
    wait_until("the new key is fetched", || status(&next) == 200);
    // keys that nobody has make nobody ask each time
    let asked = idp.requests().len();
    for number in 0..20 {
        let header = format!("{{\"alg\":\"ES256\",\"kid\":\"made up {number}\"}}");
        assert_eq!(status(&second.signed("ES256", &header, &claims().to_string())), 401);
    }
    assert!(idp.requests().len() <= asked + 2, "{asked} and then {}", idp.requests().len());
    // a reload while the source is broken keeps the keys
    *answer.lock().unwrap() = None;
    let route = "[[listener.route]]\npath = \"/new\"\nrespond = { status = 204 }\n[service.api]";
    proxy.rewrite(&text.replace("[service.api]", route));
    proxy.signal("HUP");
    wait_until("the reload is in force", || {
        assert_eq!([status(&ours), status(&next)], [200, 200]);
        get(&proxy, "/new", "").status == 204
    });
    wait_until("the failure is told", || {
        let events = proxy.admin("/api/v1/events?limit=1000").unwrap().text();
        assert!(!events.contains("secret"), "{events}");
        events.contains("the answer was 500")
    });
    assert_eq!([status(&ours), status(&next)], [200, 200]);
}

#[test]
fn without_keys_nobody_comes_in_and_it_is_nobodys_mistake() {
    let (issuer, origin) = (Issuer::new(), Origin::ok());
    let idp = Origin::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::start(&toml(&origin, &format!("http://{}/jwks", idp.address()), ""));
    assert_eq!(get(&proxy, "/in/", &bearer(&issuer.token("RS256", &claims()))).status, 503);
    assert_eq!(get(&proxy, "/in/", "").status, 401);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_limit_by_a_claim_goes_by_what_a_verified_token_says() {
    let limit = "[[listener.route.rate_limit]]\nname = \"user\"\nrate = \"1/h\"\nburst = 2\nby = \"claim:sub\"";
    let stage = stage(limit);
    let of = |name: &str| stage.issuer.token("ES256", &but("sub", json!(name)));
    assert_eq!(
        ["ann", "ann", "ben", "ann", "ben", "ben"].map(|name| stage.status(&of(name))),
        [200, 200, 200, 429, 200, 429]
    );
    let refused = stage.show(&of("ann"));
    assert_eq!(refused.field("ratelimit-policy"), Some("\"user\";q=2;w=7200"));
    // who has no token, or a forged one, uses nobody's up
    for _ in 0..5 {
        assert_eq!(get(&stage.proxy, "/in/", "").status, 401);
    }
    let eve = of("eve");
    let (said, signature) = (eve.rsplit_once('.').unwrap().0, of("ben"));
    let forged = format!("{said}.{}", signature.rsplit_once('.').unwrap().1);
    assert_eq!((stage.status(&forged), stage.status(&eve)), (401, 200));
    // tokens that do not say it are counted by client
    let nobody = stage.issuer.token("ES256", &but("sub", Value::Null));
    assert_eq!([(); 3].map(|()| stage.status(&nobody)), [200, 200, 429]);
    assert_eq!(stage.origin.requests().len(), 7);
}
