//! Which requests are copied.

use super::{MANY, in_flight, mirrored, toml};
use crate::support::{Origin, Proxy, wait_until};

#[test]
fn the_share_is_kept_over_a_thousand_requests() {
    let (api, next) = (Origin::ok(), Origin::ok());
    for (share, due) in [("100%", 1000.0), ("10%", 100.0), ("0.5%", 5.0)] {
        let before = next.requests().len();
        let proxy = Proxy::start(&toml(&format!("share = \"{share}\", {MANY}"), &api, "", next.address()));
        let mut client = proxy.client();
        for _ in 0..20 {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
            (0..50).for_each(|_| assert_eq!(client.response().status, 200));
        }
        wait_until("all copies have ended", || in_flight(&proxy) == 0);
        let copied = mirrored(&proxy, "answered") as f64;
        // six standard deviations of a thousand draws
        let most = 6.0 * (due * (1.0 - due / 1000.0_f64)).sqrt();
        assert!((copied - due).abs() <= most, "{copied} of 1,000 at {share}");
        assert_eq!(next.requests().len() - before, copied as usize);
    }
}

#[test]
fn with_split_by_all_of_a_client_s_requests_are_copied_or_none() {
    let (api, next) = (Origin::ok(), Origin::ok());
    for by in ["header:x-user", "cookie"] {
        let before = next.requests().len();
        let toml = toml(&format!("share = \"50%\", {MANY}"), &api, "", next.address()).replace(
            "service = \"api\"\nmirror",
            &format!("split = [{{ service = \"api\", weight = 1 }}, {{ service = \"other\", weight = 1 }}]\nsplit_by = \"{by}\"\nmirror"),
        );
        let other = format!("[[service.other.backend]]\naddress = \"{}\"\n", api.address());
        let proxy = Proxy::start(&toml.replace("[server]", &format!("{other}[server]")));
        let mut client = proxy.client();
        let mut cookies = vec![String::new(); 100];
        for _ in 0..3 {
            // one after the other would take a wake-up of three processes for each
            let request = |(user, cookie): (usize, &String)| {
                format!("GET /{user} HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n{cookie}\r\n")
            };
            client.send(cookies.iter().enumerate().map(request).collect::<String>());
            for cookie in &mut cookies {
                let answer = client.response();
                if let Some(set) = answer.field("set-cookie") {
                    *cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap());
                }
            }
        }
        wait_until("all copies have ended", || in_flight(&proxy) == 0);
        let copied = next.targets().split_off(before);
        let of = |user: usize| copied.iter().filter(|target| **target == format!("/{user}")).count();
        let counts: Vec<usize> = (0..100).map(of).collect();
        assert!(counts.iter().all(|count| [0, 3].contains(count)), "{by}: {counts:?}");
        let clients = counts.iter().filter(|count| **count == 3).count();
        assert!((20..=80).contains(&clients), "{by}: {clients} of 100");
    }
}
