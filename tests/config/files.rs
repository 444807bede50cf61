//! Files: the configuration itself, the one in the repository, the contract, and what a configuration names.

use std::path::Path;

use evenkeel::config::model::{Address, Authorities, ClientAuth};
use evenkeel::config::{self, Severity};
use evenkeel::policy::access_log::AccessDestination;

use crate::support::{Folder, GOOD, told};

#[test]
fn the_file_in_the_repository_is_good() {
    let loaded = config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proxy.toml"))).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.listeners[0].bind, Address::Tcp("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(loaded.config.admin.bind, "127.0.0.1:9900".parse().unwrap());
    let app = loaded.config.services.iter().find(|s| s.name == "app").unwrap();
    let ports: Vec<u16> = app
        .backends
        .iter()
        .map(|b| match &b.address {
            Address::Tcp(address) => address.port(),
            Address::Unix(_) => 0,
        })
        .collect();
    assert_eq!(ports, [9001, 9002, 9003]);
}

#[test]
fn of_the_contract_everything_is_known() {
    let diagnostics = config::parse(include_str!("contract.toml"), Path::new("contract.toml")).unwrap_err();
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    for d in &errors {
        let missing_file = d.message.contains("certs/site.") && d.message.contains("can't be read");
        assert!(missing_file, "{diagnostics}");
    }
    let refused: Vec<&str> = errors.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(refused, ["listener[0].tls.certificates[0].cert", "listener[0].tls.certificates[0].key"]);
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_one_mistake() {
    let diagnostics = config::load(Path::new("/nowhere/proxy.toml")).unwrap_err();
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics.to_string().contains("can't be read"), "{diagnostics}");
    let folder = Folder::new();
    let diagnostics = config::load(&folder.write("proxy.toml", b"name = \"\xff\"")).unwrap_err();
    assert!(diagnostics.to_string().contains("not UTF-8 text (byte 8)"), "{diagnostics}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = Folder::new();
    folder.write("token", "secret-token\n");
    folder.certificate("site", &["Example.com", "*.example.com"], 2020, 2100);
    let text = r#"
        server.state_dir = "st"
        admin.token_file = "token"
        log.access = "access.log"
        [[listener]]
        name = "web"
        bind = "unix:web.sock"
        service = "app"
        [listener.tls]
        certificates = [{ cert = "site.pem", key = "site.key" }]
        min_version = "1.3"
        client_auth = "required"
        client_ca = "site.pem"
        [service.app]
        tls = { ca = "site.pem", server_name = "example.com", cert = "site.pem", key = "site.key" }
        backend = [{ address = "unix:/run/app.sock" }]
    "#;
    let loaded = folder.load(text).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.server.state_dir, folder.path().join("st"));
    assert_eq!(config.admin.tokens.len(), 1);
    assert!(config.admin.tokens[0].secret.is(b"secret-token"));
    assert_eq!(config.log.access, Some(AccessDestination::File(folder.path().join("access.log"))));
    let listener = &config.listeners[0];
    assert_eq!(listener.bind, Address::Unix(folder.path().join("web.sock")));
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.certificates[0].names, ["example.com", "*.example.com"]);
    assert!(!tls.tls12);
    assert!(matches!(&tls.client_auth, ClientAuth::Required(ca) if ca.len() == 1));
    let client = config.services[0].tls.as_ref().unwrap();
    assert!(client.verify && client.client.is_some() && matches!(client.ca, Authorities::File(_)));
    assert_eq!(config.services[0].backends[0].address, Address::Unix("/run/app.sock".into()));
    let shown = loaded.effective.to_json().to_string();
    assert!(!shown.contains("secret-token"), "{shown}");
}

/// The mistakes of a listener with this `[listener.tls]`.
fn tls_mistakes(folder: &Folder, tls: &str) -> Vec<String> {
    let text = GOOD.replace("service = \"app\"", &format!("service = \"app\"\ntls = {{ {tls} }}"));
    let root = format!("{}/", folder.path().display());
    let diagnostics = match folder.load(&text) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    };
    diagnostics.iter().map(|d| format!("{}: {}", d.path, d.message.replace(&root, ""))).collect()
}

#[test]
fn certificates_and_keys_must_be_readable_and_fit() {
    let folder = Folder::new();
    folder.certificate("a", &["a.example"], 2020, 2100);
    folder.certificate("b", &["b.example"], 2020, 2100);
    folder.write("empty.pem", "");
    folder.write("noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let at = "listener[0].tls.certificates[0]";
    let pair = |cert: &str, key: &str| format!("certificates = [{{ cert = \"{cert}\", key = \"{key}\" }}]");
    assert_eq!(tls_mistakes(&folder, &pair("a.pem", "a.key")), Vec::<String>::new());
    assert_eq!(
        tls_mistakes(&folder, &pair("a.pem", "b.key")),
        [format!("{at}.key: this key does not fit the certificate")]
    );
    assert_eq!(
        tls_mistakes(&folder, &pair("empty.pem", "a.pem")),
        [format!("{at}.cert: `empty.pem` has no CERTIFICATE"), format!("{at}.key: `a.pem` has no PRIVATE KEY")]
    );
    assert_eq!(
        tls_mistakes(&folder, &pair("gone.pem", "gone.key")),
        [
            format!("{at}.cert: `gone.pem` can't be read: No such file or directory (os error 2)"),
            format!("{at}.key: `gone.key` can't be read: No such file or directory (os error 2)"),
        ]
    );
    let noise = tls_mistakes(&folder, &pair("noise.pem", "a.key"));
    assert_eq!(noise.len(), 1);
    assert!(noise[0].starts_with(&format!("{at}.cert: the certificate in `noise.pem` can't be used")), "{noise:?}");
    let authority = tls_mistakes(
        &folder,
        &format!("{}, client_auth = \"required\", client_ca = \"noise.pem\"", pair("a.pem", "a.key")),
    );
    assert_eq!(authority.len(), 1);
    assert!(authority[0].starts_with("listener[0].tls.client_ca: `noise.pem` has a certificate that can't be used"));
}

#[test]
fn a_folder_of_certificates_needs_one_that_can_be_used_and_tells_of_those_that_can_not() {
    let folder = Folder::new();
    let at = "listener[0].tls.certificates[0]";
    let of = |element: &str| tls_mistakes(&folder, &format!("certificates = [{{ {element} }}]"));
    std::fs::create_dir_all(folder.path().join("live/a")).unwrap();
    assert_eq!(of("folder = \"live\""), [format!("{at}.folder: `live` has no certificate that can be used")]);
    assert_eq!(
        of("folder = \"gone\""),
        [format!("{at}.folder: `gone` can't be read: No such file or directory (os error 2)")]
    );
    folder.certificate("a", &["a.example"], 2020, 2100);
    let both = ["a.pem", "a.key"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap()).concat();
    folder.write("live/a.pem", &both);
    assert_eq!(of("folder = \"live\""), Vec::<String>::new());
    folder.write("live/b.pem", "nothing");
    assert_eq!(of("folder = \"live\""), [format!("{at}.folder: left out: `live/b.pem` has no CERTIFICATE")]);
    assert!(of("folder = \"live\", cert = \"a.pem\"").contains(&format!("{at}.cert: `cert` beside `folder`")));
    assert_eq!(of(""), [format!("{at}: `cert` is missing"), format!("{at}: `key` is missing")]);
}

#[test]
fn what_is_spoken_in_tls_must_make_sense() {
    let folder = Folder::new();
    folder.certificate("a", &["a.example"], 2020, 2100);
    folder.write("short", "AAAA");
    let of = |more: &str| {
        let told = tls_mistakes(&folder, &format!("certificates = [{{ cert = \"a.pem\", key = \"a.key\" }}], {more}"));
        told.into_iter().map(|line| line.trim_start_matches("listener[0].tls.").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("preset = \"modern\", min_version = \"1.3\""), Vec::<String>::new());
    assert_eq!(
        of("preset = \"modern\", min_version = \"1.2\""),
        ["min_version: `min_version` can only be \"1.3\" with preset = \"modern\""]
    );
    assert_eq!(of("preset = \"old\""), ["preset: `preset` can't be \"old\""]);
    assert_eq!(
        of("ciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]"),
        ["ciphers: none of these is for TLS 1.3, which is always spoken"]
    );
    assert_eq!(
        of("ciphers = [\"TLS_AES_128_GCM_SHA256\"]"),
        ["ciphers: none of these is for TLS 1.2, so that it is not spoken"]
    );
    assert_eq!(of("ciphers = [\"AES128-SHA\"]"), ["ciphers[0]: `ciphers` can't be \"AES128-SHA\""]);
    assert_eq!(of("groups = [\"x25519\", \"x25519\"]"), ["groups[1]: `x25519` stands here twice"]);
    assert_eq!(of("ticket_keys = \"short\""), ["ticket_keys: `short` has a key of 3 bytes (the 1. one)"]);
    assert_eq!(
        of("key_log = \"keys.log\""),
        ["key_log: ALL TRAFFIC of this listener CAN BE DECRYPTED by whoever gets `keys.log`"]
    );
    folder.write("site.ocsp", "nothing");
    let stapled = tls_mistakes(&folder, "certificates = [{ cert = \"a.pem\", key = \"a.key\", ocsp = \"site.ocsp\" }]");
    assert_eq!(
        stapled,
        [
            "listener[0].tls.certificates[0].ocsp: the OCSP response in `site.ocsp` is not sent to clients: it is none in DER"
        ]
    );
}

#[test]
fn a_certificate_out_of_date_is_a_warning() {
    let folder = Folder::new();
    folder.certificate("old", &["old.example"], 2010, 2020);
    folder.certificate("new", &["new.example"], 2099, 2100);
    let text = GOOD.replace(
        "service = \"app\"",
        "service = \"app\"\ntls.certificates = [{ cert = \"old.pem\", key = \"old.key\" }, { cert = \"new.pem\", key = \"new.key\" }]",
    );
    let warnings = folder.load(&text).unwrap().warnings;
    assert!(warnings.iter().all(|w| w.severity == Severity::Warning));
    let warnings = told(&warnings);
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].ends_with("old.pem` expired on Wed, 01 Jan 2020 00:00:00 GMT"), "{warnings:?}");
    assert!(warnings[1].ends_with("new.pem` is not valid before Thu, 01 Jan 2099 00:00:00 GMT"), "{warnings:?}");
}

#[test]
fn a_certificate_that_expires_within_a_week_is_a_warning() {
    let folder = Folder::new();
    let day = std::time::Duration::from_secs(86_400);
    for (days, warnings) in [(3, 1), (30, 0)] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let now = std::time::SystemTime::now();
        (params.not_before, params.not_after) = ((now - 90 * day).into(), (now + days * day).into());
        folder.write("a.pem", params.self_signed(&key).unwrap().pem());
        folder.write("a.key", key.serialize_pem());
        let told = tls_mistakes(&folder, "certificates = [{ cert = \"a.pem\", key = \"a.key\" }]");
        assert_eq!(told.len(), warnings, "{told:?}");
        assert!(told.iter().all(|line| line.contains("the certificate in `a.pem` expires on ")), "{told:?}");
    }
}

#[test]
fn an_admin_address_for_all_needs_a_token_or_tls() {
    let folder = Folder::new();
    folder.certificate("admin", &["admin.example"], 2020, 2100);
    folder.write("token", "t0ken");
    folder.write("two", "one two");
    let with = |admin: &str| folder.load(&format!("[admin]\nbind = \"0.0.0.0:9900\"\n{admin}\n{GOOD}"));
    let message = |admin: &str| with(admin).unwrap_err().iter().next().unwrap().message.clone();
    assert_eq!(message(""), "the admin address can be reached from other machines by anyone");
    assert!(message("token_file = \"two\"").ends_with("two` holds no token"));
    assert!(with("token_file = \"token\"").unwrap().config.admin.tokens[0].secret.is(b"t0ken"));
    assert!(with("tokens = [{ name = \"ci\", file = \"token\" }]").is_ok());
    assert_eq!(message("tokens = []"), "the admin address can be reached from other machines by anyone");
    assert!(with("tls = { cert = \"admin.pem\", key = \"admin.key\" }").unwrap().config.admin.tls.is_some());
}

#[test]
fn an_admin_address_for_all_is_warned_of_what_it_lacks() {
    let folder = Folder::new();
    folder.certificate("admin", &["localhost"], 2020, 2100);
    folder.write("token", "t0ken-0123456789");
    let warned = |bind: &str, admin: &str| {
        let loaded = folder.load(&format!("[admin]\nbind = \"{bind}\"\n{admin}\n{GOOD}")).unwrap();
        told(&loaded.warnings)
    };
    let tls = |more: &str| format!("tls = {{ cert = \"admin.pem\", key = \"admin.key\"{more} }}");
    let both = format!("token_file = \"token\"\n{}", tls(""));
    let anyone = "~2:8 admin.bind: anyone who can reach the admin address may drain backends";
    let clear = "~2:8 admin.bind: the tokens of the admin address cross the network in clear";
    for bind in ["0.0.0.0:9900", "[::]:9900", "192.0.2.1:9900"] {
        assert_eq!(warned(bind, &tls("")), [anyone]);
        assert_eq!(warned(bind, &tls(", client_ca = \"admin.pem\"")), [""; 0]);
        assert_eq!(warned(bind, "token_file = \"token\""), [clear]);
        assert_eq!(warned(bind, "tokens = [{ name = \"ci\", file = \"token\" }]"), [clear]);
        assert_eq!(warned(bind, &both), [""; 0]);
    }
    for bind in ["127.0.0.1:9900", "[::1]:9900", "[::ffff:127.0.0.1]:9900"] {
        assert_eq!(warned(bind, &tls("")), [""; 0]);
        assert_eq!(warned(bind, "token_file = \"token\""), [""; 0]);
    }
}

#[test]
fn tokens_have_names_files_and_secrets_of_their_own() {
    let folder = Folder::new();
    for (name, text) in [
        ("one", "0ne-0123456789"),
        ("two", "tw0-0123456789"),
        ("copy", "0ne-0123456789\n"),
        ("short", "sh0rt"),
        ("empty", "\n"),
    ] {
        folder.write(name, text);
    }
    let root = format!("{}/", folder.path().display());
    let told = |admin: &str| -> Vec<String> {
        let diagnostics = match folder.load(&format!("[admin]\n{admin}\n{GOOD}")) {
            Ok(loaded) => loaded.warnings,
            Err(diagnostics) => diagnostics,
        };
        diagnostics.iter().map(|d| format!("{}: {}", d.path, d.message.replace(&root, ""))).collect()
    };
    let tokens = |tokens: &str| told(&format!("token_file = \"one\"\ntokens = [{tokens}]"));
    assert_eq!(tokens("{ name = \"ci\", file = \"two\", access = \"write\" }"), [""; 0]);
    assert_eq!(
        tokens("{ name = \"ci\", file = \"nowhere\" }, { name = \"ops\", file = \"empty\" }"),
        [
            "admin.tokens[0].file: `nowhere` can't be read: No such file or directory (os error 2)",
            "admin.tokens[1].file: `empty` holds no token",
        ]
    );
    assert_eq!(
        tokens("{ name = \"ci\", file = \"short\" }"),
        ["admin.tokens[0].file: the token in `short` is short: it could be guessed"]
    );
    assert_eq!(
        tokens("{ name = \"ci\", file = \"two\" }, { name = \"ci\", file = \"short\" }")[0],
        "admin.tokens[1].name: another token is named `ci`"
    );
    assert_eq!(
        tokens("{ name = \"admin\", file = \"two\" }"),
        ["admin.tokens[0].name: another token is named `admin`"]
    );
    assert_eq!(told("tokens = [{ name = \"admin\", file = \"two\" }]"), [""; 0], "the name is free without token_file");
    assert_eq!(
        tokens("{ name = \"ci\", file = \"copy\" }"),
        ["admin.tokens[0].file: this file holds the same token as that of `admin`"]
    );
    assert_eq!(
        tokens(
            "{ name = \"c i\" }, { file = \"two\", access = \"all\" }, { name = \"a\", file = \"two\", acess = \"read\" }"
        ),
        [
            "admin.tokens[0]: `file` is missing",
            "admin.tokens[0].name: \"c i\" can't be a name",
            "admin.tokens[1]: `name` is missing",
            "admin.tokens[1].access: `access` can't be \"all\"",
            "admin.tokens[2].acess: unknown key `acess`",
        ]
    );
}

#[test]
fn the_names_of_an_admin_address_are_names() {
    let folder = Folder::new();
    let told = |hosts: &str| match folder.load(&format!("[admin]\nhosts = [{hosts}]\n{GOOD}")) {
        Ok(loaded) => format!("{:?}", loaded.config.admin.hosts),
        Err(diagnostics) => diagnostics.iter().map(|d| format!("{}: {} ", d.path, d.message)).collect(),
    };
    assert_eq!(told(""), "[]");
    assert_eq!(told("\"Admin.example\", \"*.ops.example\""), "[Exact(\"admin.example\"), Wildcard(\"ops.example\")]");
    assert_eq!(told("\"a.example\", \"b.example:9900\""), "admin.hosts[1]: `b.example:9900` is not a host ");
    assert_eq!(told("\"*\""), "admin.hosts[0]: `*` is not a host ");
}

#[test]
fn a_certificate_for_names_by_which_the_admin_address_does_not_answer_is_told() {
    let folder = Folder::new();
    folder.certificate("admin", &["admin.example", "*.ops.example", "localhost"], 2020, 2100);
    let told = |hosts: &str| {
        let text = format!("[admin]\nhosts = [{hosts}]\ntls = {{ cert = \"admin.pem\", key = \"admin.key\" }}\n{GOOD}");
        let warnings = folder.load(&text).unwrap().warnings;
        warnings.iter().map(|d| format!("{}: {}", d.path, d.message)).collect::<String>()
    };
    let only = |names: &str| {
        format!("admin.tls.cert: this certificate is for {names}, by which the admin address does not answer")
    };
    assert_eq!(told(""), only("\"admin.example\", \"*.ops.example\""));
    assert_eq!(told("\"admin.example\""), only("\"*.ops.example\""));
    assert_eq!(told("\"*.example\""), "");
    assert_eq!(told("\"admin.example\", \"*.ops.example\""), "");
}
