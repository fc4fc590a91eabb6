//! Holds the table of ARCHITECTURE.md against the code: the crates' edges as cargo sees them, and where `unsafe` stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One row of the table.
struct Row {
    may_depend_on: BTreeSet<String>,
    kind: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The table's rows by crate, read from ARCHITECTURE.md.
fn table() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with("| crate | may depend on"));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let names = cells[1].split(", ").filter(|name| *name != "–").map(str::to_owned);
        (cells[0].to_owned(), Row { may_depend_on: names.collect(), kind: cells[2].to_owned() })
    })
    .collect()
}

#[test]
fn the_crates_and_their_edges_are_those_of_the_table() {
    let table = table();
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let members = metadata.workspace_packages();
    let names: BTreeSet<String> = members.iter().map(|package| package.name.to_string()).collect();
    assert_eq!(names, table.keys().cloned().collect(), "the table lists exactly the workspace's crates");

    for package in members {
        let normal = |kind| kind == cargo_metadata::DependencyKind::Normal;
        let edges: BTreeSet<String> = package
            .dependencies
            .iter()
            .filter(|dependency| normal(dependency.kind) && names.contains(&dependency.name))
            .map(|dependency| dependency.name.clone())
            .collect();
        let allowed = &table[package.name.as_str()].may_depend_on;
        let beyond: Vec<_> = edges.difference(allowed).collect();
        assert!(beyond.is_empty(), "{} depends on {beyond:?}, which the table does not allow", package.name);

        let on_libc = package.dependencies.iter().any(|dependency| dependency.name == "libc");
        assert!(
            !on_libc || package.name.as_str() == "kernel",
            "{} speaks to libc; only kernel may",
            package.name
        );
    }
}

#[test]
fn unsafe_stands_only_where_the_table_says() {
    for (name, row) in table() {
        let manifest = fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert_eq!(
            inherits,
            row.kind != "unsafe",
            "{name}: all but the unsafe crate inherit the lint that forbids it"
        );
        let mentions = rust_files(&root().join(format!("crates/{name}/src")))
            .iter()
            .any(|path| code_lines(path).any(|line| line.contains("unsafe {") || line.contains("unsafe fn")));
        assert_eq!(mentions, row.kind == "unsafe", "{name}: whether `unsafe` occurs");
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
}

#[test]
fn pure_crates_do_no_io() {
    let forbidden = [
        "std::net::Tcp",
        "std::net::Udp",
        "std::fs::",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "std::env::",
    ];
    for (name, row) in table() {
        if row.kind != "pure" {
            continue;
        }
        for path in rust_files(&root().join(format!("crates/{name}/src"))) {
            if path.ends_with("tests.rs") {
                continue;
            }
            for line in code_lines(&path).take_while(|line| !line.contains("#[cfg(test)]")) {
                let found = forbidden.iter().find(|word| line.contains(**word));
                assert!(found.is_none(), "{}: {} in a pure crate", path.display(), found.unwrap());
            }
        }
    }
}

#[test]
fn no_source_file_is_longer_than_it_should_be() {
    for name in table().keys() {
        for path in rust_files(&root().join(format!("crates/{name}"))) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 800, "{} has {lines} lines", path.display());
        }
    }
}

/// rustfmt breaks code at 110 columns, but no comment.
#[test]
fn no_comment_is_wider_than_it_should_be() {
    let mut wide = Vec::new();
    for name in table().keys() {
        for path in rust_files(&root().join(format!("crates/{name}"))) {
            let text = fs::read_to_string(&path).unwrap();
            for (at, line) in text.lines().enumerate() {
                let columns = line.chars().count();
                if line.trim_start().starts_with("//") && columns > 125 {
                    wide.push(format!("{}:{}: {columns} columns", path.display(), at + 1));
                }
            }
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// Lines of a file that are not comments.
fn code_lines(path: &Path) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.into_iter().filter(|line| !line.trim_start().starts_with("//"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
