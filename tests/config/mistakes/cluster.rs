//! Mistakes in `[cluster]`.

use std::time::Duration;

use evenkeel::config::model::Source;

use crate::support::{Folder, GOOD, good, only_mistake, told};

/// An election with these keys after a good configuration.
fn elect(keys: &str) -> String {
    format!("{GOOD}\n[cluster.elect]\n{keys}\n")
}

const ETCD: &str = "etcd = [\"http://127.0.0.1:2379\"]";

#[test]
fn what_is_not_said_has_its_default() {
    let cluster = good(&elect("etcd = [\"http://Etcd-1\", \"http://[::1]:4001\"]")).config.cluster.unwrap();
    let elect = cluster.elect.unwrap();
    assert_eq!(elect.etcd.endpoints, [("etcd-1".to_owned(), 2379), ("::1".to_owned(), 4001)]);
    assert_eq!((&*elect.prefix, elect.ttl), ("/evenkeel/", Duration::from_secs(5)));
    assert!(elect.etcd.ca.is_none() && elect.etcd.user.is_none() && cluster.name.is_none());
    assert!(good(&(GOOD.to_owned() + "\n[cluster]\nname = \"edge-1\"\n")).config.cluster.unwrap().elect.is_none());
    assert!(good(GOOD).config.cluster.is_none());
}

#[test]
fn each_mistake_is_in_its_place() {
    for (keys, part) in [
        ("", "`etcd` is missing"),
        ("etcd = []", "cluster.elect.etcd: there is no member of etcd to ask"),
        ("etcd = [\"127.0.0.1:2379\"]", "cluster.elect.etcd[0]: `127.0.0.1:2379` has no scheme"),
        ("etcd = [\"http://a:2379/v3\"]", "cluster.elect.etcd[0]: `http://a:2379/v3` has a path"),
        ("etcd = [\"http://a\", \"http://a:2379/\"]", "cluster.elect.etcd[1]: this member is here twice"),
        (
            "etcd = [\"http://a\", \"https://b\"]",
            "cluster.elect.etcd: some members are asked with TLS and some without",
        ),
        (&format!("{ETCD}\nttl = \"1s\""), "cluster.elect.ttl: no lease of etcd can last so long"),
        (&format!("{ETCD}\nttl = \"2500ms\""), "cluster.elect.ttl: no lease of etcd can last so long"),
        (&format!("{ETCD}\nttl = \"5m\""), "cluster.elect.ttl: no lease of etcd can last so long"),
        (&format!("{ETCD}\nuser = \"edge\""), "cluster.elect.user: a user needs a password"),
        (&format!("{ETCD}\npassword_file = \"f\""), "cluster.elect.password_file: a password needs a user"),
        (
            &format!("{ETCD}\nuser = \"a\"\npassword_file = \"/no/such\""),
            "cluster.elect.password_file: `/no/such` can't be read",
        ),
    ] {
        let mistake = only_mistake(&elect(keys));
        assert!(mistake.contains(part), "{keys}: {mistake}");
    }
}

#[test]
fn what_is_shared_goes_through_the_etcd_of_the_election() {
    let shared = format!("{GOOD}\n[cluster]\nshare = true\n");
    let mistake = only_mistake(&shared);
    assert!(mistake.contains("cluster.share: there is no etcd through which anything could be shared"), "{mistake}");
    let loaded = good(&format!("{shared}elect = {{ {ETCD} }}\n"));
    assert!(loaded.config.cluster.unwrap().share);
    assert!(!good(&elect(ETCD)).config.cluster.unwrap().share);
}

#[test]
fn tls_is_spoken_to_members_that_want_it() {
    let folder = Folder::new();
    folder.certificate("own", &["edge.example"], 2020, 2100);
    let tls = "etcd = [\"https://a\"]\nca = \"own.pem\"\ncert = \"own.pem\"\nkey = \"own.key\"";
    let loaded = folder.load(&elect(tls)).unwrap();
    let etcd = loaded.config.cluster.unwrap().elect.unwrap().etcd;
    assert!(etcd.ca.is_some() && etcd.client.is_some());
    let loaded = folder.load(&elect(&tls.replace("https", "http"))).unwrap();
    let warned = told(&loaded.warnings);
    assert_eq!(warned.len(), 3, "{warned:?}");
    assert!(warned[0].contains("`ca` has no effect: no TLS is spoken to etcd"), "{warned:?}");
}

#[test]
fn backends_are_discovered_in_the_same_etcd_unless_another_one_is_named() {
    let discover = |keys: &str| format!("{}\n[service.app.discover]\n{keys}\n", elect(ETCD));
    let found = |text: &str| {
        let loaded = good(text);
        let service = loaded.config.services.into_iter().find(|service| service.name == "app").unwrap();
        let Source::Etcd { etcd, prefix } = service.discover.unwrap().from else { panic!() };
        (etcd.endpoints, prefix, told(&loaded.warnings))
    };
    let (endpoints, prefix, warned) = found(&discover("etcd = \"/api/\""));
    assert_eq!((&*prefix, endpoints), ("/api/", vec![("127.0.0.1".to_owned(), 2379)]));
    assert_eq!(warned, [""; 0]);
    let (endpoints, ..) = found(&discover("etcd = \"/api/\"\nendpoints = [\"http://other\"]"));
    assert_eq!(endpoints, [("other".to_owned(), 2379)]);
    let (.., warned) = found(&discover("etcd = \"/api\"\nca = \"ca.pem\""));
    assert_eq!(warned.len(), 2, "{warned:?}");
    let warned = warned.join("\n");
    assert!(warned.contains("keys such as `/api2/a` begin with `/api` as well"), "{warned}");
    assert!(warned.contains("`ca` has no effect"), "{warned}");
    // what is wrong with the etcd of the election is told there, and only there
    let broken = format!("{}\n[service.app.discover]\netcd = \"/api/\"\n", elect("etcd = []"));
    assert!(only_mistake(&broken).contains("cluster.elect.etcd: there is no member"));
}
