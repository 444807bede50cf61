//! `auth = { client_cert = { ... } }`, and what backends are told of a client's certificate.

use data_encoding::BASE64;

use crate::support::certs::{Authority, Identity};
use crate::support::h2;
use crate::support::{Client, Origin, Proxy, Request, Scratch, config};

struct Stage {
    proxy: Proxy,
    origin: Origin,
    dir: Scratch,
}

fn stage(header: &str, auth: &str) -> Stage {
    let (dir, ca, origin) = (Scratch::new(), Authority::shared(), Origin::ok());
    let site = ca.sign(&dir, &["site.example"]);
    let authority = ca.file(&dir);
    let listener = format!(
        "[listener.tls]\ncertificates = [{}]\nclient_auth = \"optional\"\nclient_ca = {authority:?}\nclient_cert_header = \"{header}\"\n\
         [[listener.route]]\npath_prefix = \"/in/\"\nservice = \"api\"\nauth = {{ client_cert = {{ {auth} }} }}\n",
        site.toml()
    );
    Stage { proxy: Proxy::start(&config(&listener, "", &[&origin])), origin, dir }
}

impl Stage {
    fn ask(&self, identity: Option<&Identity>, path: &str, lines: &str) -> u16 {
        let config = Authority::shared().client(&[], identity);
        let mut client = Client::connect_tls(self.proxy.address(), &config, "site.example").unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: site.example\r\n{lines}\r\n"));
        client.response().status
    }

    fn last(&self) -> Request {
        self.origin.requests().pop().unwrap()
    }
}

#[test]
fn a_certificate_with_one_of_the_names_comes_in_and_no_other() {
    let stage = stage("off", "names = [\"*.svc.example\"]");
    let ca = Authority::shared();
    let good = ca.sign(&stage.dir, &["web.svc.example"]);
    for (identity, status) in [
        (Some(&good), 200),
        (Some(&ca.sign(&stage.dir, &["web.example"])), 403),
        (Some(&ca.sign(&stage.dir, &["svc.example"])), 403),
        (Some(&ca.sign(&stage.dir, &["*.svc.example"])), 403),
        (None, 403),
    ] {
        assert_eq!(stage.ask(identity, "/in/", ""), status);
        assert_eq!(stage.ask(identity, "/out/", ""), 200, "another route asks for none");
    }
    // a session that is resumed is that of the same client
    let config = ca.client(&[], Some(&good));
    for _ in 0..3 {
        let mut client = Client::connect_tls(stage.proxy.address(), &config, "site.example").unwrap();
        client.send("GET /in/ HTTP/1.1\r\nHost: site.example\r\n\r\n");
        assert_eq!(client.response().status, 200);
        // the ticket comes behind the answer at the latest
        assert_eq!(client.get("/in/x").status, 421, "and of the same host only");
    }
    assert_eq!(stage.last().field("client-cert"), None);
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path_prefix /in/\",reason=\"certificate\"}";
    assert_eq!(stage.proxy.metric(denied), 4);
}

#[test]
fn http_2_asks_for_a_certificate_as_well() {
    let stage = stage("off", "names = [\"web.example\"]");
    let ca = Authority::shared();
    let (good, bad) = (ca.sign(&stage.dir, &["web.example"]), ca.sign(&stage.dir, &["other.example"]));
    h2::run(async {
        for (identity, status) in [(Some(&good), 200), (Some(&bad), 403), (None, 403)] {
            let config = ca.client(&["h2"], identity);
            let client = h2::Client::connect_tls(stage.proxy.address(), &config, "site.example").await.unwrap();
            assert_eq!(client.call(h2::get("https://site.example/in/"), "").await.status, status);
            assert_eq!(client.call(h2::get("https://other.example/in/"), "").await.status, 421);
        }
    });
}

#[test]
fn backends_are_told_of_the_certificate_and_never_of_one_that_a_client_makes_up() {
    let stage = stage("chain", "names = [\"web.example\"]");
    let good = Authority::shared().sign(&stage.dir, &["web.example"]);
    let forged = "Client-Cert: :Zm9yZ2Vk:\r\nClient_Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\nclient-cert_chain: :Zm9yZ2Vk:\r\n";
    assert_eq!(stage.ask(Some(&good), "/in/", forged), 200);
    let told = format!(":{}:", BASE64.encode(&good.chain));
    assert_eq!(stage.last().head.all("client-cert"), [told]);
    for name in ["client-cert-chain", "client_cert", "client-cert_chain"] {
        assert_eq!(stage.last().field(name), None, "{name}");
    }
    assert_eq!(stage.ask(None, "/out", forged), 200);
    for name in ["client-cert", "client-cert-chain", "client_cert", "client-cert_chain"] {
        assert_eq!(stage.last().field(name), None, "{name}");
    }
}
