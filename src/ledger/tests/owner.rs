//! Commands that root runs for a process of another user.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::*;
use crate::ledger::tools;

/// Somebody who is not root.
const OTHER: u32 = 12_345;

fn owner(path: &Path) -> (u32, u32, u32) {
    let file = std::fs::metadata(path).unwrap();
    (file.uid(), file.gid(), file.mode() & 0o777)
}

/// A ledger of somebody else's, and a backup of it; `None` = this is not root, who alone can make one.
fn of_another() -> Option<(Folder, PathBuf)> {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 10));
    drop(ledger);
    let copy = folder.join("copy");
    tools::backup(&folder, &copy).unwrap();
    chown(&*folder, Some(OTHER), Some(OTHER)).ok()?;
    for path in folder.named("ledger.") {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    Some((folder, copy))
}

#[test]
fn what_root_restores_belongs_to_whom_the_ledger_before_belonged() {
    let Some((folder, copy)) = of_another() else { return };
    tools::restore(&copy, &folder).unwrap();
    assert_eq!(owner(&folder.file()), (OTHER, OTHER, 0o640));
}

#[test]
fn what_root_restores_into_an_empty_folder_belongs_to_whom_the_folder_belongs() {
    let Some((_folder, copy)) = of_another() else { return };
    let place = Folder::new();
    chown(&*place, Some(OTHER), Some(OTHER)).unwrap();
    tools::restore(&copy, &place).unwrap();
    for name in ["ledger.sqlite", "ledger.lock"] {
        let (user, group, _) = owner(&place.join(name));
        assert_eq!((user, group), (OTHER, OTHER), "{name}");
    }
}

#[test]
fn what_root_prunes_or_looks_at_still_belongs_to_its_owner() {
    let Some((folder, _)) = of_another() else { return };
    std::fs::remove_file(folder.join("ledger.lock")).unwrap();
    tools::prune(&folder, MIDNIGHT.plus(DAY)).unwrap();
    tools::check(&folder.file()).unwrap();
    tools::backup(&folder, &folder.join("another")).unwrap();
    for path in folder.named("ledger.") {
        let (user, group, _) = owner(&path);
        assert_eq!((user, group), (OTHER, OTHER), "{}", path.display());
    }
}
