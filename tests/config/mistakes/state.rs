//! Mistakes in `[state]`.

use crate::support::{GOOD, good, only_mistake};

/// The section with these keys after a good configuration in which something is promised.
fn backup(keys: &str) -> String {
    format!("{GOOD}\n[service.app.sla]\ntier = \"standard\"\n[state.backup]\n{keys}\n")
}

#[test]
fn a_place_for_copies_is_a_folder_or_a_bucket() {
    for (place, part) in [
        ("/var/backups", "`/var/backups` has no scheme"),
        ("gs://bucket/a", "a scheme that is not known: `gs`"),
        ("s3://My_Bucket", "no bucket with a name that S3 allows"),
        ("file://backups", "no absolute path"),
    ] {
        let mistake = only_mistake(&backup(&format!("to = {place:?}")));
        assert!(mistake.starts_with("state.backup.to: ") && mistake.contains(part), "{mistake}");
    }
    let mistake = only_mistake(&backup("every = \"1m\""));
    assert!(mistake.contains("`to`"), "{mistake}");
    let to = good(&backup("to = \"s3://bucket/a/\"")).config.backup.map(|backup| backup.to.to_string());
    assert_eq!(to.as_deref(), Some("s3://bucket/a"));
}

#[test]
fn copies_are_kept_until_there_is_the_next_one() {
    for (keys, at, part) in [
        ("every = \"0s\"", "state.backup.every", ""),
        ("every = \"10ms\"", "state.backup.every", "so often"),
        ("every = \"2h\"\nkeep = \"1h\"", "state.backup.keep", "before the next one"),
        ("every = \"31d\"", "state.backup.every", "before the next one"),
        ("name = \"..\"", "state.backup.name", "can't be a name"),
        ("name = \"a/b\"", "state.backup.name", "a name"),
    ] {
        let mistake = only_mistake(&backup(&format!("to = \"s3://bucket\"\n{keys}")));
        assert!(mistake.starts_with(at) && mistake.contains(part), "{mistake}");
    }
}

#[test]
fn copies_beside_the_ledger_or_of_nothing_are_warned_of() {
    let warned = |text: &str| good(text).warnings.to_string();
    let inside = warned(&format!(
        "[server]\nstate_dir = \"/var/lib/evenkeel\"\n{}",
        backup("to = \"file:///var/lib/evenkeel/copies\"")
    ));
    assert!(inside.contains("the copies lie in `state_dir`"), "{inside}");
    let nothing = warned(&format!("{GOOD}\n[state.backup]\nto = \"s3://bucket\"\n"));
    assert!(nothing.contains("there is no ledger to copy"), "{nothing}");
}
