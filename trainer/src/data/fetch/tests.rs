use std::fs;

use rand::Rng as _;

use super::server::{Answer, Server};
use super::*;

/// A data set in the layout of ESC-50 of which only the checksum of the archive counts.
fn published(sha256: Option<&'static str>) -> Published {
    Published { name: "test", sha256, recordings: None, ..PUBLISHED[2] }
}

/// It cannot be compressed, so that its size is known.
fn archive() -> Vec<u8> {
    let mut rng = crate::draw::rng(1, "archive", &[]);
    let noise: Vec<u8> = (0..300_000).map(|_| rng.next_u64() as u8).collect();
    unpack::tests::tar_gz(&[
        ("ESC-50-master/meta/esc50.csv", b"table"),
        ("ESC-50-master/audio/1.wav", &noise),
    ])
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn run(published: &Published, url: &str, out: &Path) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let result = fetch(published, url, out, &mut |step| steps.push(step));
    result.map(|()| steps).map_err(|error| error.to_string())
}

#[test]
fn a_cut_connection_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = archive();
    let path = dir.path().join("whole");
    fs::write(&path, &bytes).unwrap();
    let published = published(Some(leak(sha256(&path).unwrap())));
    let server = Server::new(&bytes, &[Answer::Cut(100_000), Answer::Cut(50_000), Answer::Rest]);
    let out = dir.path().join("deep/out");
    let steps = run(&published, &server.url(), &out).unwrap();
    assert_eq!(fs::read(out.join("meta/esc50.csv")).unwrap(), b"table");
    assert_eq!(fs::metadata(out.join("audio/1.wav")).unwrap().len(), 300_000);
    assert_eq!(server.asked(), [None, Some(100_000), Some(150_000)]);
    assert_eq!(steps.last(), Some(&Step::Unpack(2)));
    let all = bytes.len() as u64;
    assert!(steps.contains(&Step::Download(all, Some(all))), "{steps:?}");
    assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1, "no archive is left");
    // The folder is not written over.
    let again = run(&published, &server.url(), &out).unwrap_err();
    assert!(again.contains("exists and is not empty"), "{again}");
}

#[test]
fn another_attempt_goes_on_where_the_first_one_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, out) = (archive(), dir.path().join("out"));
    fs::write(dir.path().join("test.download"), &bytes[..1234]).unwrap();
    let server = Server::new(&bytes, &[Answer::Rest]);
    run(&published(None), &server.url(), &out).unwrap();
    assert_eq!(server.asked(), [Some(1234)]);
    // A server that knows no ranges sends all of it.
    let out = dir.path().join("again");
    fs::write(dir.path().join("test.download"), &bytes[..1234]).unwrap();
    let server = Server::new(&bytes, &[Answer::Whole, Answer::Whole]);
    run(&published(None), &server.url(), &out).unwrap();
    assert!(out.join("audio/1.wav").is_file());
    // A whole archive that was not unpacked yet is not asked for again.
    let out = dir.path().join("third");
    fs::write(dir.path().join("test.download"), &bytes).unwrap();
    let server = Server::new(&bytes, &[Answer::Rest]);
    run(&published(None), &server.url(), &out).unwrap();
    assert!(out.join("audio/1.wav").is_file());
}

#[test]
fn what_goes_wrong_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, out) = (archive(), dir.path().join("out"));
    let failure = |published: &Published, url: &str| {
        let message = run(published, url, &out).unwrap_err();
        assert!(!message.contains('\n') && !out.exists(), "{message}");
        message
    };
    let wrong = published(Some("00"));
    let server = Server::new(&bytes, &[Answer::Rest]);
    let message = failure(&wrong, &server.url());
    assert!(message.contains("is not the published archive (SHA-256 "), "{message}");
    assert!(!dir.path().join("test.download").exists(), "a wrong archive is deleted");
    let server = Server::new(&bytes, &[Answer::NotFound]);
    let message = failure(&published(None), &server.url());
    assert!(message.contains("does not give it") && message.contains("404"), "{message}");
    assert!(!dir.path().join("test.download").exists(), "an error page is not kept");
    let url = Server::closed_url();
    let message = failure(&published(None), &url);
    assert!(message.contains("is this computer online?"), "{message}");
    let server = Server::new(b"no archive", &[Answer::Rest]);
    let message = failure(&published(None), &server.url());
    assert!(message.contains("test.download: "), "{message}");
    fs::remove_file(dir.path().join("test.download")).unwrap();
    let other = unpack::tests::tar_gz(&[("a/b.txt", b"c")]);
    let server = Server::new(&other, &[Answer::Rest]);
    let message = failure(&published(None), &server.url());
    assert!(message.contains("holds no meta/esc50.csv"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // Every write to this device says that the disk is full.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("test.download")).unwrap();
    let server = Server::new(&archive(), &[Answer::Rest]);
    let message = run(&published(None), &server.url(), &dir.path().join("out")).unwrap_err();
    assert!(message.contains("test.download: cannot be written"), "{message}");
    assert!(message.contains("disk full") && !message.contains("online"), "{message}");
}

#[test]
fn a_part_of_an_archive_is_a_data_set_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let table = b"filename,esc10\n1.wav,True\n2.wav,False\n";
    let bytes = unpack::tests::tar_gz(&[
        ("ESC-50-master/meta/esc50.csv", table),
        ("ESC-50-master/audio/1.wav", b"1"),
        ("ESC-50-master/audio/2.wav", b"2"),
    ]);
    let esc10 = Published { subset: Some("esc10"), ..published(None) };
    let server = Server::new(&bytes, &[Answer::Rest]);
    let out = dir.path().join("out");
    let steps = run(&esc10, &server.url(), &out).unwrap();
    assert_eq!(steps.last(), Some(&Step::Keep(1)));
    assert!(out.join("audio/1.wav").is_file() && !out.join("audio/2.wav").exists());
    let known = |name: &str| PUBLISHED.iter().find(|published| published.name == name).unwrap();
    assert_eq!((known("esc10").subset, known("esc50").subset), (Some("esc10"), None));
    assert_eq!(known("esc10").url, known("esc50").url);
}

#[test]
fn recordings_are_looked_at_where_there_is_no_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, sound) = (dir.path().join("folder"), dir.path().join("sound.wav"));
    let wav = |seconds: usize, rate_hz: u32| {
        let samples = vec![0.25; seconds * rate_hz as usize];
        audio::write_wav_i16(&sound, &samples, rate_hz).unwrap();
        fs::read(&sound).unwrap()
    };
    let good = wav(1, 8000);
    let expected = Recordings { rate_hz: 8000, seconds: 1 };
    let wanted = Published { recordings: Some(expected), ..published(None) };
    let fetched = |table: &str, second: Option<&[u8]>| {
        let first = ("top/audio/1.wav", good.as_slice());
        let mut files = vec![("top/meta/esc50.csv", table.as_bytes()), first];
        files.extend(second.map(|bytes| ("top/audio/2.wav", bytes)));
        let server = Server::new(&unpack::tests::tar_gz(&files), &[Answer::Rest]);
        run(&wanted, &server.url(), &folder.join("out"))
    };
    let table = "filename,fold,category\n1.wav,1,dog\n2.wav,1,rain\n";
    for (table, second, told) in [
        (table, None, "(audio/2.wav: no such file)"),
        (table, Some(b"text".to_vec()), "(audio/2.wav: not an audio file "),
        (table, Some(wav(2, 8000)), "(audio/2.wav: lasts 2.00 s instead of 1 s)"),
        (table, Some(wav(1, 16_000)), "(audio/2.wav: has 16000 Hz instead of 8000 Hz)"),
        ("filename,fold\n", Some(good.clone()), "(line 1 of its table: has no column `category`)"),
    ] {
        let message = fetched(table, second.as_deref()).unwrap_err();
        assert!(message.contains("is not the published archive"), "{message}");
        assert!(message.contains(told) && !message.contains('\n'), "{message}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
    }
    let steps = fetched(table, Some(&good)).unwrap();
    assert_eq!(steps.last(), Some(&Step::Check));
    assert_eq!(fs::read(folder.join("out/audio/2.wav")).unwrap(), good);
}

#[test]
fn names_are_unique_and_checksums_whole() {
    for (index, published) in PUBLISHED.iter().enumerate() {
        assert!(PUBLISHED[..index].iter().all(|other| other.name != published.name));
        assert!(published.sha256.is_none_or(|sha256| sha256.len() == 64));
        assert!(published.sha256.is_some() || published.recordings.is_some());
    }
}
