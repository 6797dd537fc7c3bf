//! Man pages and shell completions.

use crate::common::{Bench, fail, program, succeed};

#[test]
fn every_command_has_a_page() {
    let bench = Bench::new();
    let folder = bench.path("manual");
    succeed(program().arg("manual").arg(&folder));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let main = read("auricle-runtime.1");
    let commands =
        ["classify", "stream", "listen", "devices", "doctor", "status", "check-config", "bench"];
    for command in commands {
        // A hyphen that is no line break is written with a backslash.
        let page = format!("auricle-runtime-{command}");
        assert!(main.contains(&page.replace('-', "\\-")), "{page} is not in\n{main}");
        assert!(read(&format!("{page}.1")).contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(read("auricle-runtime-listen.1").contains("log\\-mib"));
    assert!(!folder.join("auricle-runtime-manual.1").exists(), "packages call it, nobody else");
    for shell in ["auricle-runtime.bash", "auricle-runtime.fish", "_auricle-runtime"] {
        assert!(read(shell).contains("check-config"), "{shell}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let error = fail(program().args(["manual", "/dev/null/manual"]));
    assert!(error.starts_with("/dev/null/manual: cannot be written: "), "{error}");
}
