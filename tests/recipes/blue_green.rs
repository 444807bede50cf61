//! blue-green.md

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::Recipe;
use super::support::{Client, Origin, wait_until};

#[test]
fn no_request_is_lost_while_all_of_them_change_over() {
    let (blue, green) = (Origin::saying("blue\n"), Origin::saying("green\n"));
    let mut recipe = Recipe::open("blue-green");
    recipe.replace("10.0.0.11:8000", blue.address());
    recipe.replace("10.0.0.12:8000", green.address());
    recipe.follow("Files");
    recipe.follow("Start it");

    let (address, over, served) = (recipe.address(80), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (over, served) = (Arc::clone(&over), Arc::clone(&served));
            thread::spawn(move || {
                let mut visitor = Client::connect(address);
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(visitor.get("/").status, 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let some_more = || {
        let before = served.load(Ordering::SeqCst);
        wait_until("visitors go on", || served.load(Ordering::SeqCst) > before + 100);
    };
    some_more();
    recipe.follow("Change over");
    let under_way = |recipe: &Recipe| recipe.status()["services"]["blue"]["backends"][0]["in_flight"].clone();
    wait_until("nothing is under way at blue", || under_way(&recipe) == 0);
    let seen = blue.targets().len();
    some_more();
    assert_eq!(blue.targets().len(), seen, "blue gets nothing more");
    let stranger = Client::connect(address).get("/").text();
    assert_eq!(stranger, "green\n");
    recipe.follow("Change back");
    some_more();
    over.store(true, Ordering::SeqCst);
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
}
