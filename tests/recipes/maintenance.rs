//! maintenance.md

use super::Recipe;
use super::support::{Client, Origin};

#[test]
fn visitors_see_the_page_and_colleagues_the_application() {
    let app = Origin::saying("Hello from the backend.\n");
    let mut recipe = Recipe::open("maintenance");
    recipe.replace("10.0.0.11:8000", app.address());
    // an address of this machine that is not the one by which the page's commands come
    recipe.replace("192.0.2.0/24", "127.0.0.2/32");
    recipe.follow("Files");
    recipe.follow("Start it");
    let colleague = |recipe: &Recipe| Client::connect_from("127.0.0.2", recipe.address(80)).get("/").status;

    let mut visitor = recipe.client(80);
    assert_eq!(visitor.get("/").status, 200);
    recipe.run("evenkeel maintenance --listener web --reason test");
    let seen = app.requests().len();
    assert_eq!((visitor.get("/").status, visitor.get("/nowhere").status), (503, 503));
    assert_eq!(app.requests().len(), seen, "no backend is asked");
    assert_eq!(colleague(&recipe), 200);
    recipe.run("evenkeel maintenance --listener web --end");
    assert_eq!(visitor.get("/").status, 200);

    recipe.follow("Try it");
    recipe.follow("Say it in the file");
    assert_eq!((recipe.client(80).get("/").status, colleague(&recipe)), (503, 200));
}
