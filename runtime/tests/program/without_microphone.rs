//! A build without microphones says so.

use crate::common::{Bench, fail, program};

#[test]
fn the_way_to_get_microphones_is_told() {
    let error = fail(program().arg("devices"));
    assert!(error.contains("--features microphone"), "{error}");
    assert_eq!(fail(&mut Bench::new().command("listen")), error);
}
