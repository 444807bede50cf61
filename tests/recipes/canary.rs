//! canary.md

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Recipe;
use super::support::{Conn, Origin, wait_until};

/// A version: what it answers changes when it is repaired.
fn version(name: &'static str, fails: &Arc<AtomicBool>) -> Origin {
    let fails = Arc::clone(fails);
    Origin::script(move |conn: &mut Conn| {
        while conn.request().is_ok() {
            let status = if fails.load(Ordering::SeqCst) { "500 Internal Server Error" } else { "200 OK" };
            conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
        }
    })
}

#[test]
fn after_it_has_failed_nobody_goes_to_the_canary() {
    let (sound, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let stable = [version("stable", &sound), version("stable", &sound)];
    let next = version("next", &broken);
    let mut recipe = Recipe::open("canary");
    recipe.replace("10.0.0.11:8000", stable[0].address());
    recipe.replace("10.0.0.12:8000", stable[1].address());
    recipe.replace("10.0.0.21:8000", next.address());
    recipe.follow("Files");
    recipe.follow("Start it");

    // each request is of another browser, since none of them has a cookie
    let mut browsers = recipe.client(80);
    wait_until("the canary is back", || {
        (0..200).for_each(|_| drop(browsers.get("/")));
        recipe.stderr().contains("the canary gets no requests to app any more")
    });
    let failed = next.requests().len();
    assert!(failed > 0);
    for _ in 0..300 {
        let answer = browsers.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "stable"));
    }
    assert_eq!(next.requests().len(), failed);

    broken.store(false, Ordering::SeqCst);
    recipe.follow("When it fails");
    wait_until("it has some of the requests again", || browsers.get("/").text() == "next");
    recipe.run("evenkeel canary app-next promote");
    assert!((0..100).all(|_| browsers.get("/").text() == "next"));
    recipe.run("evenkeel canary app-next back");
    assert!((0..100).all(|_| browsers.get("/").text() == "stable"));
    recipe.follow("By hand");
}
