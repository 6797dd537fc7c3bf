//! The functions, called as C would: the same events as engine and detector, and an answer to every wrong
//! argument that can be told.
#![allow(clippy::unwrap_used, unsafe_code)]

#[path = "../../../fuzz/exercise.rs"]
#[allow(dead_code)]
mod exercise;
#[path = "../../../models/tests/support/mod.rs"]
mod support;

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use auricle::*;
use firmware_sim::{Engine, memory_words};
use models::q8::Model;
use models::stream::Detector;

fn model() -> Vec<u8> {
    support::networks::talkative().encode()
}

/// Memory that is aligned, full of rubbish.
struct Memory(Vec<u64>);

impl Memory {
    fn new(bytes: usize) -> Self {
        Self(vec![0xDEAD_BEEF_DEAD_BEEF; bytes.div_ceil(8)])
    }

    fn start(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

fn memory_bytes(model: &[u8], hop: u32) -> Result<usize, AuricleStatus> {
    let mut status = AuricleStatus::Listener;
    // SAFETY: a slice, and a place for the status.
    let bytes = unsafe { auricle_memory_bytes(model.as_ptr(), model.len(), hop, &mut status) };
    if status == AuricleStatus::Ok { Ok(bytes) } else { Err(status) }
}

fn init(
    model: &[u8],
    hop: u32,
    memory: &mut Memory,
    len: usize,
) -> Result<*mut AuricleListener, AuricleStatus> {
    let mut listener = null_mut();
    // SAFETY: slices, and the tests keep them while they use the listener.
    let status = unsafe {
        auricle_init(&mut listener, model.as_ptr(), model.len(), hop, memory.start(), len)
    };
    assert_eq!(listener.is_null(), status != AuricleStatus::Ok);
    if status == AuricleStatus::Ok { Ok(listener) } else { Err(status) }
}

fn push(listener: *mut AuricleListener, samples: &[i16]) -> AuricleStatus {
    // SAFETY: a slice, and a listener or null.
    unsafe { auricle_push(listener, samples.as_ptr(), samples.len()) }
}

fn poll(listener: *mut AuricleListener) -> Option<AuricleEvent> {
    let mut event = AuricleEvent::default();
    // SAFETY: a place for the event, and a listener or null.
    unsafe { auricle_poll(listener, &mut event) }.then_some(event)
}

/// What engine and detector say: events, and the posteriors of the newest window.
fn expected(bytes: &[u8], hop: u32, samples: &[i16]) -> (Vec<AuricleEvent>, Vec<u16>) {
    let model = Model::parse(bytes).unwrap();
    let hop = if hop == 0 { model.decision().hop } else { hop };
    let mut memory = vec![0; memory_words(&model, hop).unwrap()];
    let mut engine = Engine::new(&model, hop, &mut memory).unwrap();
    let settings = model.decision().settings(model.arch().window);
    let len = Detector::<Vec<u16>>::memory_len(model.arch().classes.into(), settings.smoothing);
    let mut detector = Detector::new(settings, model.decision().classes(), vec![0; len]).unwrap();
    let (mut events, mut newest) = (Vec::new(), Vec::new());
    engine.push(samples, |posteriors, end| {
        newest = posteriors.to_vec();
        events.extend(detector.push(posteriors, end).map(|event| AuricleEvent {
            start: event.start,
            end: event.end,
            lost: 0,
            class_index: event.class,
            confidence: event.confidence,
        }));
    });
    (events, newest)
}

#[test]
fn it_says_what_engine_and_detector_say() {
    let model = model();
    // Miri is a thousand times slower.
    let samples = exercise::noise(if cfg!(miri) { 250 } else { 3000 });
    for hop in [0, 8, 33, 200] {
        let (events, newest) = expected(&model, hop, &samples);
        assert!(cfg!(miri) || !events.is_empty(), "hop {hop}");
        let needed = memory_bytes(&model, hop).unwrap();
        let mut memory = Memory::new(needed);
        let listener = init(&model, hop, &mut memory, needed).unwrap();
        for chunk in [1, 7, 64] {
            let mut found = Vec::new();
            for samples in samples.chunks(chunk) {
                assert_eq!(push(listener, samples), AuricleStatus::Ok);
                found.extend(std::iter::from_fn(|| poll(listener)));
            }
            assert_eq!(found, events, "hop {hop}, chunks of {chunk}");
            let mut posteriors = [0; 5];
            // SAFETY: an array, and a listener.
            let status = unsafe { auricle_posteriors(listener, posteriors.as_mut_ptr(), 5) };
            assert_eq!((status, &posteriors[..3]), (AuricleStatus::Ok, newest.as_slice()));
            // SAFETY: a listener.
            assert_eq!(unsafe { auricle_reset(listener) }, AuricleStatus::Ok);
        }
    }
}

#[test]
fn the_newest_events_are_kept() {
    let model = model();
    let samples = exercise::noise(1500);
    let (events, _) = expected(&model, 0, &samples);
    let lost = events.len().checked_sub(AURICLE_EVENTS).unwrap();
    assert!(lost > 1, "{} events", events.len());
    let needed = memory_bytes(&model, 0).unwrap();
    let mut memory = Memory::new(needed);
    let listener = init(&model, 0, &mut memory, needed).unwrap();
    push(listener, &samples);
    let found: Vec<AuricleEvent> = std::iter::from_fn(|| poll(listener)).collect();
    assert_eq!(found[0], AuricleEvent { lost: lost as u32, ..events[lost] });
    assert_eq!(found[1..], events[lost + 1..]);
}

#[test]
fn a_listener_describes_itself() {
    let model = model();
    let needed = memory_bytes(&model, 7).unwrap();
    let mut memory = Memory::new(needed);
    let listener = init(&model, 7, &mut memory, needed).unwrap();
    let mut info = AuricleInfo::default();
    // SAFETY: a listener and a place for its description.
    assert_eq!(unsafe { auricle_info(listener, &mut info) }, AuricleStatus::Ok);
    let wanted = AuricleInfo { sample_rate_hz: 8_000, window: 120, hop: 7, classes: 3 };
    assert_eq!(info, wanted);
    let label = |class, size| {
        let mut text = [0x55u8; 20];
        // SAFETY: an array longer than any size below, and a listener.
        let status = unsafe { auricle_label(listener, class, text.as_mut_ptr().cast(), size) };
        assert!(text[size..].iter().all(|byte| *byte == 0x55), "nothing behind the end");
        let text = CStr::from_bytes_until_nul(&text);
        (status, text.ok().map(|text| text.to_str().unwrap().to_string()))
    };
    assert_eq!(label(1, 20), (AuricleStatus::Ok, Some("class 1".into())));
    assert_eq!(label(2, 8), (AuricleStatus::Ok, Some("class 2".into())));
    assert_eq!(label(2, 7), (AuricleStatus::Buffer, Some(String::new())));
    assert_eq!(label(3, 20), (AuricleStatus::Class, Some(String::new())));
    assert_eq!(label(0, 0).0, AuricleStatus::Buffer);
}

#[test]
fn wrong_memory_is_refused() {
    let model = model();
    let needed = memory_bytes(&model, 0).unwrap();
    let mut memory = Memory::new(needed + 8);
    assert_eq!(init(&model, 0, &mut memory, needed - 1), Err(AuricleStatus::Memory));
    assert_eq!(init(&model, 0, &mut memory, 0), Err(AuricleStatus::Memory));
    let mut listener = null_mut();
    let start = memory.start();
    let (bytes, len) = (model.as_ptr(), model.len());
    // SAFETY: the memory is longer than what is handed in.
    unsafe {
        for offset in 1..8 {
            let status = auricle_init(&mut listener, bytes, len, 0, start.add(offset), needed);
            assert_eq!(status, AuricleStatus::Misaligned);
        }
        let status = auricle_init(&mut listener, start.add(needed - 1), 4, 0, start, needed);
        assert_eq!(status, AuricleStatus::Overlap);
        let status = auricle_init(&mut listener, bytes, len, 0, null_mut(), needed);
        assert_eq!(status, AuricleStatus::Argument);
        let status = auricle_init(null_mut(), bytes, len, 0, start, needed);
        assert_eq!(status, AuricleStatus::Argument);
        let status = auricle_init(&mut listener, bytes, len, 0, start, usize::MAX);
        assert_eq!(status, AuricleStatus::Argument);
        assert!(listener.is_null());
    }
    assert!(init(&model, 0, &mut memory, needed).is_ok());
}

#[test]
fn wrong_models_and_hops_are_refused() {
    let model = model();
    let mut damaged = model.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut memory = Memory::new(1 << 12);
    for (bytes, wanted) in [
        (&model[..0], AuricleStatus::NotModel),
        (b"RIFF this is no model", AuricleStatus::NotModel),
        (&model[..model.len() - 1], AuricleStatus::Truncated),
        (&damaged, AuricleStatus::Checksum),
    ] {
        assert_eq!(memory_bytes(bytes, 0), Err(wanted));
        assert_eq!(init(bytes, 0, &mut memory, 1 << 12), Err(wanted));
    }
    assert_eq!(memory_bytes(&model, 1 << 31), Err(AuricleStatus::Hop));
    assert!(memory_bytes(&model, (1 << 31) - 1).is_ok());
    // SAFETY: nothing is read from a null pointer, or written to one.
    unsafe {
        assert_eq!(auricle_memory_bytes(null(), 100, 0, null_mut()), 0);
        let mut status = AuricleStatus::Ok;
        assert_eq!(auricle_memory_bytes(model.as_ptr(), usize::MAX, 0, &mut status), 0);
        assert_eq!(status, AuricleStatus::Argument);
        assert!(auricle_memory_bytes(model.as_ptr(), model.len(), 0, null_mut()) > 0);
    }
}

#[test]
fn what_is_no_listener_is_refused() {
    let model = model();
    let needed = memory_bytes(&model, 0).unwrap();
    let mut memory = Memory::new(needed);
    let listener = init(&model, 0, &mut memory, needed).unwrap();
    let mut rubbish = Memory::new(needed);
    let mut moved = Memory(vec![0; memory.0.len()]);
    // SAFETY: both have as many words, and the listener is not used in its new place.
    unsafe { moved.start().copy_from_nonoverlapping(memory.start(), needed) };
    let misaligned = listener.cast::<u8>().wrapping_add(1).cast();
    for (pointer, wanted) in [
        (null_mut(), AuricleStatus::Argument),
        (misaligned, AuricleStatus::Argument),
        (rubbish.start().cast(), AuricleStatus::Listener),
        (moved.start().cast(), AuricleStatus::Listener),
    ] {
        assert_eq!(push(pointer, &[1, 2, 3]), wanted);
        assert_eq!(poll(pointer), None);
        let mut out = [0u16; 3];
        let mut text = [0u8; 9];
        let mut info = AuricleInfo::default();
        // SAFETY: arrays, and memory that can be read.
        unsafe {
            assert_eq!(auricle_reset(pointer), wanted);
            assert_eq!(auricle_posteriors(pointer, out.as_mut_ptr(), 3), wanted);
            assert_eq!(auricle_label(pointer, 0, text.as_mut_ptr().cast(), 9), wanted);
            assert_eq!(auricle_info(pointer, &mut info), wanted);
        }
    }
}

#[test]
fn wrong_places_are_refused() {
    let model = model();
    let needed = memory_bytes(&model, 0).unwrap();
    let mut memory = Memory::new(needed);
    let listener = init(&model, 0, &mut memory, needed).unwrap();
    let samples = exercise::noise(1000);
    let mut out = [0u16; 3];
    // SAFETY: what is not null and aligned is an array of the length that is given.
    unsafe {
        assert_eq!(auricle_posteriors(listener, out.as_mut_ptr(), 3), AuricleStatus::NoWindow);
        assert_eq!(push(listener, &samples), AuricleStatus::Ok);
        let odd = samples.as_ptr().cast::<u8>().add(1).cast();
        assert_eq!(auricle_push(listener, odd, 1), AuricleStatus::Argument);
        assert_eq!(auricle_push(listener, null(), 1), AuricleStatus::Argument);
        assert_eq!(auricle_push(listener, null(), 0), AuricleStatus::Ok);
        let all = usize::MAX;
        assert_eq!(auricle_push(listener, samples.as_ptr(), all), AuricleStatus::Argument);
        assert_eq!(auricle_posteriors(listener, out.as_mut_ptr(), 2), AuricleStatus::Buffer);
        assert_eq!(auricle_posteriors(listener, null_mut(), 3), AuricleStatus::Argument);
        assert_eq!(auricle_label(listener, 0, null_mut(), 3), AuricleStatus::Argument);
        assert_eq!(auricle_info(listener, null_mut()), AuricleStatus::Argument);
        assert!(!auricle_poll(listener, null_mut()));
        assert!(poll(listener).is_some(), "the event is still there");
    }
}

#[test]
fn every_status_has_a_sentence() {
    let text = |status| {
        // SAFETY: a string that lives for ever.
        unsafe { CStr::from_ptr(auricle_status_text(status)) }.to_str().unwrap()
    };
    let known: Vec<&str> = (0..=10).chain(20..=28).map(text).collect();
    assert!(known.iter().all(|sentence| *sentence != text(-1)));
    assert_eq!(known[AuricleStatus::Hop as usize], "the hop is too long");
    assert_eq!(text(i32::MAX), "an unknown status");
}
