//! Public data sets from their publishers.

use system_tests::program::run;

#[test]
fn what_cannot_be_fetched_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("esc50");
    // Port 9 of this computer: nobody listens there.
    let offline = "data fetch esc50 --out {} --url http://127.0.0.1:9/esc50.tar.gz";
    run("trainer", offline, &[&out]).fails_with(&["127.0.0.1:9", "is this computer online?"]);
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine"), "").unwrap();
    run("trainer", offline, &[&out]).fails_with(&["exists and is not empty"]);
    let unknown = run("trainer", "data fetch esc51 --out {}", &[&out]);
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("speech-commands-v0.02"), "{}", unknown.stderr);
}
