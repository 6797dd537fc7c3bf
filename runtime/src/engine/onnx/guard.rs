//! Turns panics of the inference library on hostile models into errors.
//!
//! The library's importer trusts its input in places (it indexes maps with names from the file,
//! for example). What [`super::inspect`] does not catch beforehand is caught here. Panics
//! elsewhere in the program behave as always.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic inside it becomes an `Err` with the panic's message and prints nothing.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                previous(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    // What `work` leaves half done is dropped with it: callers share no state with it.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        one_line(text.unwrap_or("internal error"))
    })
}

/// The text on one line of bounded length, without control characters: it may come from a file.
pub(in crate::engine) fn one_line(text: &str) -> String {
    const MOST: usize = 240;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MOST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors() {
        assert_eq!(guarded(|| 7), Ok(7));
        let length = guarded(|| 7).unwrap_or(0) as usize - 7;
        let empty = vec![0; length];
        let message = guarded(|| empty[length]).unwrap_err();
        assert!(message.starts_with("index out of bounds"), "{message}");
        assert!(!GUARDED.get());
    }

    #[test]
    fn long_texts_become_one_short_line() {
        assert_eq!(one_line("a\n  b\t\u{1b}c\n"), "a b c");
        assert_eq!(one_line(&"ä".repeat(1000)).chars().count(), 241);
    }
}
