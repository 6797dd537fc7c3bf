//! include/auricle.h is what cbindgen makes of the sources.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_header_is_made_from_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut builder = cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap());
    for source in ["status", "event", "place", "api"] {
        builder = builder.with_src(root.join(format!("src/{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = for_c(&String::from_utf8(made).unwrap());
    let place = root.join("include/auricle.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&place, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&place).unwrap_or_default() == made,
        "{} is not what the sources say; UPDATE_HEADER=1 writes it",
        place.display()
    );
}

/// Comments in C's words: no backquotes, and a promise where Rust speaks of safety.
fn for_c(header: &str) -> String {
    let words = header.replace("// # Safety\n", "// The caller promises:\n").replace('`', "");
    words.trim_end().to_string() + "\n"
}
