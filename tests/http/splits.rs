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

/// The sides that clients with these fields are on, and the cookies that they get.
fn sides(client: &mut Client, fields: &[String]) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for some in fields.chunks(50) {
        // one after the other would take a wake-up of three processes for each
        let requests = some.iter().map(|fields| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        client.send(requests.collect::<String>());
        all.extend(some.iter().map(|_| {
            let answer = client.response();
            assert_eq!(answer.status, 200);
            let cookie = answer.field("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
            (answer.text(), cookie)
        }));
    }
    all
}

#[test]
fn of_a_thousand_clients_with_a_cookie_none_changes_sides_unless_the_weights_move_over_it() {
    let origins = [Origin::saying("stable"), Origin::saying("canary")];
    let split = |stable, canary| toml("split_by = \"cookie\"", [stable, canary], [&origins[0], &origins[1]]);
    let proxy = Proxy::start(&split(95, 5));
    let mut client = proxy.client();
    let (mut before, cookies): (Vec<String>, Vec<Option<String>>) =
        sides(&mut client, &vec![String::new(); 1000]).into_iter().unzip();
    let shown = |cookie: Option<String>| format!("Cookie: a=b; {}\r\n", cookie.expect("who has no cookie gets one"));
    let cookies: Vec<String> = cookies.into_iter().map(shown).collect();
    let again = |client: &mut Client| -> Vec<String> {
        let (sides, new): (Vec<String>, Vec<Option<String>>) = sides(client, &cookies).into_iter().unzip();
        assert!(new.iter().all(Option::is_none), "who has a cookie gets no other");
        sides
    };
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
        let fields: Vec<String> = (0..100).map(|n| format!("{field}{n}\r\n")).collect();
        let [first, second] = [(), ()].map(|()| sides(&mut proxy.client(), &fields));
        assert_eq!(first, second, "{by}");
        assert!(first.iter().all(|(_, cookie)| cookie.is_none()));
        let canary = first.iter().filter(|(side, _)| side == "canary").count();
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
