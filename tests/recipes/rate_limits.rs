//! rate-limits.md

use super::Recipe;
use super::support::Origin;

#[test]
fn what_is_above_a_limit_is_refused_and_no_backend_hears_of_it() {
    let app = Origin::saying("Hello from the backend.\n");
    let mut recipe = Recipe::open("rate-limits");
    recipe.replace("10.0.0.11:8000", app.address());
    recipe.follow_all(&["Files", "Start it", "Try it"]);
    assert_eq!(app.targets(), [["/login"; 5].as_slice(), &["/"]].concat());

    // each key by itself: 20 at once, and one more in 0.6 s
    let mut client = recipe.client(80);
    let mut ask = |key: &str| {
        client.send(format!("GET /api/orders HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n"));
        client.response().status
    };
    let statuses: Vec<_> = (0..60).map(|_| ask("one")).collect();
    assert_eq!((&statuses[..20], statuses.contains(&429)), (&[200; 20][..], true));
    assert_eq!(ask("two"), 200);

    // a client that makes up a key for each request has its own limit all the same
    let made_up: Vec<_> = (0..400).map(|n| ask(&format!("made-up-{n}"))).collect();
    assert!(made_up.contains(&429));
}
