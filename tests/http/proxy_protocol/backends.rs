//! Headers to backends.

use super::*;
use crate::support::backend;

#[test]
fn backends_are_told_of_the_client() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let (origin, told) = told();
        let proxy = Proxy::start(&config("", &format!("send_proxy_protocol = \"{word}\""), &[&origin]));
        let mut client = proxy.client();
        let own = client.own_address();
        for target in ["/a", "/b"] {
            assert_eq!(client.get(target).text(), "ok");
        }
        let header = only(&told);
        assert_eq!(header.version, version);
        assert_eq!(header.endpoints.source(), Some(own));
        assert_eq!(header.endpoints.destination(), Some(proxy.address()));
        assert_eq!(told.lock().unwrap()[0].1, ["/a", "/b"], "its connection is kept for it");
        if version == Version::V2 {
            let id = header.tlvs.unique_id().unwrap();
            assert!(id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit), "{header:?}");
            assert!(header.tlvs.get(tlv::CRC32C).is_some());
            assert!(header.tlvs.ssl().is_none() && header.tlvs.alpn().is_none());
        }
    }
}

#[test]
fn a_connection_to_a_backend_carries_the_client_that_it_was_made_for_and_no_other() {
    let (origin, told) = told();
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v2\"", &[&origin]));
    let mut clients: Vec<Client> = (1..=3)
        .map(|client| {
            let mut conn = proxy.client();
            conn.send(header(Version::V1, &format!("192.0.2.{client}:5"), Tlvs::default()));
            conn
        })
        .collect();
    for turn in 0..4 {
        for (at, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.get(&format!("/{}/{turn}", at + 1)).text(), "ok");
        }
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3, "each client's connection is kept for it: {told:?}");
    for (header, targets) in told.iter() {
        let client = header.endpoints.source().unwrap().ip().to_string();
        let number = client.rsplit('.').next().unwrap();
        assert_eq!(*targets, (0..4).map(|turn| format!("/{number}/{turn}")).collect::<Vec<_>>(), "{client}");
    }
    let ids: std::collections::BTreeSet<_> = told.iter().map(|(header, _)| header.tlvs.unique_id()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_client_s_connections_to_backends_go_with_it() {
    let (origin, _told) = told();
    let proxy = Proxy::start(&config("", "send_proxy_protocol = \"v1\"", &[&origin]));
    let mut client = proxy.client();
    assert_eq!(client.get("/x").status, 200);
    assert_eq!(origin.open(), 1);
    drop(client);
    wait_until("the backend's connection is closed", || origin.open() == 0);
}

#[test]
fn what_a_peer_has_said_is_passed_on() {
    let mut list = Builder::default();
    list.push(tlv::ALPN, b"h2");
    list.push(tlv::AUTHORITY, b"theirs.example");
    list.push(tlv::NOOP, b"");
    list.push(tlv::UNIQUE_ID, b"theirs");
    list.push(0xE3, b"of their own");
    list.push(tlv::CRC32C, &[0; 4]);
    let received = header(Version::V2, "192.0.2.1:56324", list.finish());
    let (origin, told) = told();
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v2\"", &[&origin]));
    let mut conn = proxy.client();
    conn.send([&received[..], GET.as_bytes()].concat());
    assert_eq!(conn.response().status, 200);
    let header = only(&told);
    assert_eq!(
        (header.endpoints.source(), header.endpoints.destination()),
        (client("192.0.2.1:56324"), client("198.51.100.9:443"))
    );
    let tlvs = &header.tlvs;
    assert_eq!((tlvs.alpn(), tlvs.authority()), (Some(&b"h2"[..]), Some("theirs.example")));
    assert_eq!((tlvs.unique_id(), tlvs.get(0xE3)), (Some(&b"theirs"[..]), Some(&b"of their own"[..])));
    assert_eq!(tlvs.get(tlv::NOOP), None);
}

#[test]
fn version_1_comes_in_and_goes_out_as_it_was() {
    let origin = Origin::script(|conn| {
        let line = conn.bytes(LINE.len()).unwrap();
        assert_eq!(line, LINE.as_bytes());
        while conn.request().is_ok() && conn.send(OK) {}
    });
    let proxy = Proxy::start(&config(ACCEPT, "send_proxy_protocol = \"v1\"", &[&origin]));
    let mut client = proxy.client();
    client.send([LINE, GET].concat());
    assert_eq!(client.response().status, 200);
}

#[test]
fn backends_are_told_of_the_client_s_tls() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let (site, me) = (ca.sign(&dir, &["site.example"]), ca.sign(&dir, &["client.example"]));
    let (origin, told) = told();
    let listener = format!(
        "[listener.tls]\ncertificates = [{}]\nclient_auth = \"optional\"\nclient_ca = {:?}",
        site.toml(),
        ca.file(&dir).to_str().unwrap()
    );
    let proxy = Proxy::start(&config(&listener, "send_proxy_protocol = \"v2\"", &[&origin]));
    for (identity, bits, verify) in [(None, 1, 1), (Some(&me), 7, 0)] {
        told.lock().unwrap().clear();
        let config = ca.client(&["http/1.1"], identity);
        let mut client = Client::connect_tls(proxy.address(), &config, "site.example").unwrap();
        client.send("GET /x HTTP/1.1\r\nHost: site.example\r\n\r\n");
        assert_eq!(client.response().status, 200);
        let header = only(&told);
        assert_eq!((header.tlvs.alpn(), header.tlvs.authority()), (Some(&b"http/1.1"[..]), Some("site.example")));
        let ssl = header.tlvs.ssl().unwrap();
        assert_eq!((ssl.client, ssl.verify), (bits, verify));
        assert_eq!((ssl.version(), ssl.cipher()), (Some("TLSv1.3"), Some("TLS_AES_128_GCM_SHA256")));
        assert_eq!(ssl.common_name().is_some(), identity.is_some());
    }
}

#[test]
fn a_header_goes_before_tls_to_the_backend() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let identity = ca.sign(&dir, &["localhost"]);
    let origin = Origin::script_tls(&identity.server(&[]), |conn| while conn.request().is_ok() && conn.send(OK) {});
    let (address, told) = stripping(origin.address().parse().unwrap());
    let tls = format!("[service.api.tls]\nserver_name = \"localhost\"\nca = {:?}\n", ca.file(&dir).to_str().unwrap());
    // there is one connection, however long its handshake takes
    let service = format!("send_proxy_protocol = \"v1\"\ntimeout.connect = \"20s\"\n{tls}");
    let toml = config(ACCEPT, &service, &[&origin]);
    let proxy = Proxy::start(&toml.replace(origin.address(), &address.to_string()));
    let mut conn = proxy.client();
    conn.send([LINE, GET].concat());
    assert_eq!(conn.response().status, 200);
    assert_eq!(only(&told).endpoints.source(), client("192.0.2.1:56324"));
}

#[test]
fn http_2_to_a_backend_begins_with_a_header_too_and_streams_share_it() {
    let origin = h2::Origin::script(|_, mut respond| async move {
        respond.send_response(http::Response::new(()), true).unwrap();
    });
    let (address, told) = stripping(origin.address().parse().unwrap());
    let service = "protocol = \"h2\"\nsend_proxy_protocol = \"v2\"";
    let proxy = Proxy::start(&(config(ACCEPT, service, &[]) + &backend(address)));
    h2::run(async {
        for number in 1..=2 {
            let line = header(Version::V1, &format!("192.0.2.{number}:5"), Tlvs::default());
            let client = h2::Client::connect_behind(&line, proxy.address()).await;
            for _ in 0..3 {
                assert_eq!(client.call(get("http://a/x"), "").await.status, 200);
            }
        }
    });
    let told = told.lock().unwrap();
    let clients: Vec<_> = told.iter().map(|(header, _)| header.endpoints.source()).collect();
    assert_eq!(clients, [client("192.0.2.1:5"), client("192.0.2.2:5")]);
}

#[test]
fn a_service_that_sends_none_shares_its_connections_as_before() {
    let origin = Origin::ok();
    let proxy =
        Proxy::start(&config(ACCEPT, "", &[&origin]).replace("[service.api]", "[server]\nworkers = 1\n[service.api]"));
    for number in 1..=3 {
        let mut client = proxy.client();
        client.send(header(Version::V1, &format!("192.0.2.{number}:5"), Tlvs::default()));
        assert_eq!(client.get("/x").status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_reload_may_turn_headers_on_for_connections_that_are_open() {
    let (origin, told) = told();
    let plain = Origin::ok();
    let before = config("", "", &[&plain]);
    let after = config("", "send_proxy_protocol = \"v1\"", &[&origin]);
    let proxy = Proxy::start(&before);
    let mut client = proxy.client();
    let own = client.own_address();
    assert_eq!(client.get("/before").status, 200);
    assert_eq!(proxy.reload(&after).status, 200);
    assert_eq!(client.get("/after").status, 200);
    let header = only(&told);
    assert_eq!((header.endpoints.source(), header.endpoints.destination()), (Some(own), Some(proxy.address())));
}

#[test]
fn checks_say_that_nobody_is_behind_them() {
    for (word, endpoints) in [("v1", Endpoints::Unknown), ("v2", Endpoints::Local)] {
        let (origin, told) = told();
        let health = "[service.api.health]\npath = \"/health\"\ninterval = \"50ms\"\ninitial = \"check_first\"";
        let service = format!("send_proxy_protocol = \"{word}\"\n{health}");
        let proxy = Proxy::start(&config("", &service, &[&origin]));
        assert_eq!(proxy.client().get("/x").status, 200);
        let told = told.lock().unwrap();
        let check = told.iter().find(|(_, targets)| targets.iter().any(|target| target == "/health"));
        assert_eq!(check.map(|(header, _)| header.endpoints.clone()), Some(endpoints));
    }
}

#[test]
fn the_header_of_a_backend_that_can_not_be_reached_is_sent_to_the_next() {
    let (origin, told) = told();
    let gone = Origin::script(|conn| conn.reset());
    let service = "send_proxy_protocol = \"v2\"\nbalance = \"round_robin\"";
    let proxy = Proxy::start(&config(ACCEPT, service, &[&gone, &origin]));
    for number in 1..=4 {
        let mut client = proxy.client();
        client.send(header(Version::V2, &format!("192.0.2.{number}:5"), Tlvs::default()));
        assert_eq!(client.get("/x").status, 200);
    }
    let told = told.lock().unwrap();
    let clients: Vec<_> = told.iter().map(|(header, _)| header.endpoints.source().unwrap().to_string()).collect();
    assert_eq!(clients, ["192.0.2.1:5", "192.0.2.2:5", "192.0.2.3:5", "192.0.2.4:5"]);
}
