//! Whatever the reader lets through can be run: as a stream, window by window, and from C.
#![allow(clippy::unwrap_used, unsafe_code)]

#[path = "../../../fuzz/exercise.rs"]
mod exercise;
#[path = "../../../models/tests/support/mod.rs"]
mod support;

use auricle::{
    AuricleEvent, AuricleStatus, auricle_init, auricle_memory_bytes, auricle_poll, auricle_push,
};
use models::q8::Model;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use support::{mutate, networks};

/// The same through the functions for C.
fn listen(bytes: &[u8]) {
    let (model, len) = (bytes.as_ptr(), bytes.len());
    let mut status = AuricleStatus::Ok;
    // SAFETY: a slice and a place for the status.
    let needed = unsafe { auricle_memory_bytes(model, len, 0, &mut status) };
    assert_eq!(needed == 0, status != AuricleStatus::Ok);
    if !(1..1 << 20).contains(&needed) {
        return;
    }
    let mut memory = vec![u64::MAX; needed.div_ceil(8)];
    let memory = memory.as_mut_ptr().cast();
    let mut listener = std::ptr::null_mut();
    let samples = exercise::noise(500);
    let mut event = AuricleEvent::default();
    // SAFETY: slices that outlive the listener, which is used only here.
    unsafe {
        let status = auricle_init(&mut listener, model, len, 0, memory, needed);
        assert_eq!(status, AuricleStatus::Ok);
        assert_eq!(auricle_push(listener, samples.as_ptr(), 500), AuricleStatus::Ok);
        while auricle_poll(listener, &mut event) {}
    }
}

#[test]
fn some_hostile_files_run() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut runs = |strategy: BoxedStrategy<Vec<u8>>| {
        let files = (0..200).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        files.filter(|bytes| exercise::exercise(bytes)).count()
    };
    assert!(runs(mutate::flipped().boxed()) >= 10);
    assert!(runs(mutate::numbers().boxed()) >= 10);
}

/// What 32 bits can just count, and what a signed number of 32 bits cannot.
#[test]
fn the_longest_hops_run() {
    let bytes = networks::talkative().encode();
    let model = Model::parse(&bytes).unwrap();
    for hop in [u32::MAX, 1 << 31, (1 << 31) - 1] {
        exercise::run(&model, hop);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn sound_models_run(arch in networks::arch(), seed: u64) {
        exercise::exercise(&networks::model(&arch, seed).encode());
    }

    #[test]
    fn flipped_bytes(bytes in mutate::flipped()) {
        exercise::exercise(&bytes);
        listen(&bytes);
    }

    #[test]
    fn hostile_numbers(bytes in mutate::numbers()) {
        exercise::exercise(&bytes);
        listen(&bytes);
    }
}
