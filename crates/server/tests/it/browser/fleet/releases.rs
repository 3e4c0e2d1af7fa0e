//! What is published: three versions of the agent, and three of the shop.

use lockstep_model::BundleManifest;
use lockstep_trust::author::TargetsEdit;
use lockstep_trust::bundle::{self, BuiltBundle};

use crate::health::write;
use crate::world::{Publisher, World, build, upload};

/// Three versions of the agent, with a delta, and three of the shop.
pub(super) async fn publish(world: &World, publisher: &mut Publisher) {
    let mut edit = TargetsEdit::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        let (built, file) = build(world, version, b"#!/bin/sh\n");
        upload(world, &built, &file).await.unwrap();
        edit = edit.add(built.release());
    }
    for version in ["4.0.0", "4.1.0", "4.2.0"] {
        let built = shop_bundle(world, version).await;
        edit = edit.add(built.release());
    }
    publisher.edit(&edit);
    publisher.send(world, false).await.unwrap();
}

async fn shop_bundle(world: &World, version: &str) -> BuiltBundle {
    let tree = tempfile::tempdir_in(world.dir.path()).unwrap();
    write(&tree.path().join("shop.txt"), version);
    let manifest = format!("package = \"shop\"\nversion = \"{version}\"\nplatform = \"any\"\n");
    let manifest = BundleManifest::parse(&manifest).unwrap();
    let path = world.dir.path().join(format!("shop-{version}.tar.zst"));
    let built = bundle::build(
        tree.path(),
        &manifest,
        std::fs::File::create(&path).unwrap(),
    )
    .unwrap();
    upload(world, &built, &path).await.unwrap();
    built
}
