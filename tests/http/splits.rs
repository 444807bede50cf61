//! Splits: by weight, and so that a client keeps its side.

use std::fmt::Write as _;

use crate::support::{Client, Origin, Proxy};

/// A split of two services by these weights.
fn toml(by: &str, weights: [u32; 2], origins: [&Origin; 2]) -> String {
    let mut toml = format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n[[listener.route]]\n{by}\n\
         split = [{{ service = \"stable\", weight = {} }}, {{ service = \"canary\", weight = {} }}]\n",
        weights[0], weights[1]
    );
    for (name, origin) in ["stable", "canary"].into_iter().zip(origins) {
        let _ = write!(toml, "[[service.{name}.backend]]\naddress = \"{}\"\n", origin.address());
    }
    toml
}

/// The side that a client with these fields is on, and the cookie that it gets.
fn side(client: &mut Client, fields: &str) -> (String, Option<String>) {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let answer = client.response();
    assert_eq!(answer.status, 200);
    let cookie = answer.field("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
    (answer.text(), cookie)
}

#[test]
fn of_a_thousand_clients_with_a_cookie_none_changes_sides_unless_the_weights_move_over_it() {
    let origins = [Origin::saying("stable"), Origin::saying("canary")];
    let split = |stable, canary| toml("split_by = \"cookie\"", [stable, canary], [&origins[0], &origins[1]]);
    let proxy = Proxy::start(&split(95, 5));
    let mut client = proxy.client();
    let cookies: Vec<(String, String)> = (0..1000)
        .map(|_| {
            let (side, cookie) = side(&mut client, "");
            (cookie.expect("a client without a cookie gets one"), side)
        })
        .collect();
    let again = |client: &mut Client| -> Vec<String> {
        let ask = |(cookie, _): &(String, String)| {
            let (side, new) = side(client, &format!("Cookie: a=b; {cookie}\r\n"));
            assert_eq!(new, None, "who has a cookie gets no other");
            side
        };
        cookies.iter().map(ask).collect()
    };
    let mut before: Vec<String> = cookies.iter().map(|(_, side)| side.clone()).collect();
    assert_eq!(again(&mut client), before);
    let on_canary = |sides: &[String]| sides.iter().filter(|side| *side == "canary").count();
    for canary in [10, 50, 100, 20, 0] {
        let grows = canary > 50 || canary == 10 || canary == 50;
        assert_eq!(proxy.reload(&split(100 - canary, canary)).status, 200);
        let after = again(&mut client);
        let wrong =
            before.iter().zip(&after).filter(|(before, after)| before != after && (*after == "canary") != grows);
        assert_eq!(wrong.count(), 0, "at {canary} %");
        // six standard deviations of a thousand draws
        let (due, most) = (canary as f64 * 10.0, 6.0 * (canary as f64 * (100 - canary) as f64 / 10.0).sqrt());
        assert!((on_canary(&after) as f64 - due).abs() <= most, "{} of 1,000 at {canary} %", on_canary(&after));
        before = after;
    }
}

#[test]
fn a_client_is_told_apart_by_its_address_or_by_a_header() {
    let origins = [Origin::saying("stable"), Origin::saying("canary")];
    for (by, field) in [("client_ip", "X-Forwarded-For: 192.0.2."), ("header:x-user", "X-User: ")] {
        let proxy = Proxy::start(&toml(&format!("split_by = \"{by}\""), [50, 50], [&origins[0], &origins[1]]));
        let mut sides = Vec::new();
        for _ in 0..2 {
            let mut client = proxy.client();
            let ask = |n: u32| {
                let (side, cookie) = side(&mut client, &format!("{field}{n}\r\n"));
                assert_eq!(cookie, None);
                side
            };
            sides.push((0..100).map(ask).collect::<Vec<_>>());
        }
        assert_eq!(sides[0], sides[1], "{by}");
        let canary = sides[0].iter().filter(|side| *side == "canary").count();
        assert!((20..=80).contains(&canary), "{by}: {canary} of 100");
    }
}

#[test]
fn a_made_up_cookie_is_replaced_and_the_new_one_is_kept_from_scripts() {
    let origins = [Origin::saying("stable"), Origin::saying("canary")];
    let proxy = Proxy::start(&toml("split_by = \"cookie\"", [1, 1], [&origins[0], &origins[1]]));
    let mut client = proxy.client();
    for made_up in ["", "x", "00000", "GGGG", "-001"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: evenkeel_split={made_up}\r\n\r\n"));
        let answer = client.response();
        let cookie = answer.field("set-cookie").unwrap();
        let (pair, rest) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with("evenkeel_split=") && pair.len() == "evenkeel_split=".len() + 4, "{cookie}");
        assert_eq!(rest, "Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax");
    }
}
