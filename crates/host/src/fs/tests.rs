//! Durability is proven by the power cuts in `tests/it`; here is what each function does when nothing happens.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn put(path: &Path, text: &str) {
    write_durable(path, text.as_bytes(), Mode::Public).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn a_file_is_written_and_replaced_with_its_mode() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("key.pem");
    write_durable(&path, b"old", Mode::Public).unwrap();
    assert_eq!(mode(&path), 0o644);
    write_durable(&path, b"new", Mode::Private).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_capped(&path, 3).unwrap().unwrap(), b"new");
    let names = Dir::open(root.path()).unwrap().names().unwrap();
    assert_eq!(names, ["key.pem"]);
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let (target, link) = (root.path().join("target"), root.path().join("link"));
    put(&target, "mine");
    symlink(&target, &link).unwrap();
    put(&link, "new");
    assert_eq!(read_capped(&target, 10).unwrap().unwrap(), b"mine");
    assert_eq!(read_capped(&link, 10).unwrap().unwrap(), b"new");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    // A directory cannot be replaced by a file, so the rename fails after everything else succeeded.
    let path = root.path().join("run.json");
    create_dir(&path.join("inner")).unwrap();
    let error = write_durable(&path, b"x", Mode::Private).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(
        Dir::open(root.path()).unwrap().names().unwrap(),
        ["run.json"]
    );
}

#[test]
fn reading_is_bounded_and_never_waits() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    assert_eq!(read_capped(&path, 10).unwrap(), None);
    put(&path, "0123456789");
    assert_eq!(read_capped(&path, 10).unwrap().unwrap().len(), 10);
    assert!(matches!(
        read_capped(&path, 9),
        Err(Error::TooLarge { max: 9, .. })
    ));
    let fifo = root.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
    assert!(read_capped(&fifo, 10).is_err());
    assert!(read_capped(root.path(), 10).is_err());
}

#[test]
fn a_rename_that_was_cut_off_is_completed() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("to"));
    put(&from, "x");
    rename_durable(&from, &to).unwrap();
    rename_durable(&from, &to).unwrap();
    remove_durable(&to).unwrap();
    remove_durable(&to).unwrap();
    let error = rename_durable(&from, &to).unwrap_err();
    assert!(matches!(error, Error::Rename { .. }), "{error}");
}

#[test]
fn a_link_is_moved() {
    let root = tempfile::tempdir().unwrap();
    let link = root.path().join("current");
    assert_eq!(read_symlink(&link).unwrap(), None);
    for target in ["slots/1.0.0", "slots/1.1.0", "slots/1.1.0"] {
        replace_symlink(&link, Path::new(target)).unwrap();
        assert_eq!(read_symlink(&link).unwrap().unwrap(), Path::new(target));
    }
    assert_eq!(
        Dir::open(root.path()).unwrap().names().unwrap(),
        ["current"]
    );
}

#[test]
fn a_tree_is_removed_without_following_its_links() {
    let root = tempfile::tempdir().unwrap();
    let (tree, outside) = (root.path().join("tree"), root.path().join("outside"));
    create_dir(&tree.join("a/b")).unwrap();
    create_dir(&outside).unwrap();
    put(&outside.join("mine"), "x");
    put(&tree.join("a/b/file"), "x");
    symlink(&outside, tree.join("a/out")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    std::fs::set_permissions(tree.join("a/b"), PermissionsExt::from_mode(0o555)).unwrap();
    remove_tree(&tree).unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
    assert!(outside.join("mine").exists());
}

#[test]
fn a_tree_that_is_too_deep_is_an_error_and_not_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let mut dir = Dir::open(root.path()).unwrap();
    for _ in 0..=tree::DEEPEST + 2 {
        dir = dir.create_dir(OsStr::new("d"), 0o755).unwrap();
    }
    let error = remove_tree(&root.path().join("d")).unwrap_err();
    assert!(matches!(error, Error::Remove { .. }), "{error}");
    assert!(sync_tree(&root.path().join("d")).is_err());
}

#[test]
fn directories_keep_their_modes() {
    let root = tempfile::tempdir().unwrap();
    let (public, private) = (root.path().join("a/b"), root.path().join("a/p"));
    create_dir(&public).unwrap();
    create_private_dir(&private).unwrap();
    create_dir(&private).unwrap();
    assert_eq!((mode(&public), mode(&private)), (0o755, 0o700));
    put(&root.path().join("file"), "x");
    assert!(create_dir(&root.path().join("file/x")).is_err());
}

#[test]
fn what_is_not_finished_leaves_no_trace() {
    use std::io::Write;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/bundle");
    let mut replacement = Replacement::begin(&path).unwrap();
    replacement.file().write_all(b"half").unwrap();
    drop(replacement);
    assert!(
        Dir::open(&root.path().join("a/b"))
            .unwrap()
            .names()
            .unwrap()
            .is_empty()
    );
    let mut replacement = Replacement::begin(&path).unwrap();
    replacement.file().write_all(b"whole").unwrap();
    assert!(!path.exists());
    replacement.finish().unwrap();
    assert_eq!(read_capped(&path, 10).unwrap().unwrap(), b"whole");
    assert_eq!(read_tail(&path, 3).unwrap(), b"ole");
    assert_eq!(read_tail(&path, 30).unwrap(), b"whole");
    sync_file(&path).unwrap();
}

#[test]
fn a_whole_tree_can_be_synced() {
    let root = tempfile::tempdir().unwrap();
    create_dir(&root.path().join("a/b")).unwrap();
    put(&root.path().join("a/b/file"), "x");
    symlink("nowhere", root.path().join("a/link")).unwrap();
    sync_tree(root.path()).unwrap();
    assert!(sync_tree(&root.path().join("missing")).is_err());
}
