//! Words that can be spoken and be folders, and others that mean nothing.

use std::collections::BTreeSet;

use crate::data::DataError;

/// Longest word or phrase, in characters.
const LONGEST: usize = 40;

/// Everyday words and phrases, long and short ones mixed.
const EVERYDAY: [&str; 56] = [
    "water",
    "thank you",
    "cat",
    "window",
    "house",
    "tomorrow",
    "good night",
    "music",
    "chair",
    "banana",
    "what time",
    "doctor",
    "tree",
    "maybe",
    "kitchen",
    "never mind",
    "fish",
    "seven",
    "paper",
    "excuse me",
    "bread",
    "yesterday",
    "cold",
    "monkey",
    "over there",
    "happy",
    "camera",
    "bird",
    "of course",
    "garden",
    "phone",
    "elephant",
    "come here",
    "blue",
    "coffee",
    "remember",
    "table",
    "sorry",
    "how are you",
    "mountain",
    "wow",
    "picture",
    "see you",
    "guitar",
    "nine",
    "summer",
    "wait a minute",
    "dog",
    "family",
    "orange",
    "please",
    "number",
    "bicycle",
    "hello",
    "question",
    "weather",
];

/// The words without needless spaces; each must be speakable, usable as a folder's name, and
/// unlike the others.
pub(crate) fn check(words: &[String]) -> Result<Vec<String>, DataError> {
    let words: Vec<String> = words.iter().map(|word| one_spaced(word)).collect();
    if words.is_empty() {
        return Err(DataError::BadOption("no words given; name at least one".to_owned()));
    }
    let mut folders = BTreeSet::new();
    for word in &words {
        let allowed = |c: char| c.is_alphanumeric() || " '-".contains(c);
        let problem = if word.is_empty() {
            "is empty"
        } else if word.chars().count() > LONGEST {
            "is longer than 40 characters"
        } else if !word.starts_with(char::is_alphanumeric) {
            "does not begin with a letter or digit"
        } else if !word.chars().all(allowed) {
            "holds more than letters, digits, spaces, apostrophes and hyphens"
        } else if !folders.insert(folder_name(word).to_lowercase()) {
            "is given twice"
        } else {
            continue;
        };
        return Err(DataError::BadOption(format!("the word `{word}` {problem}")));
    }
    Ok(words)
}

fn one_spaced(word: &str) -> String {
    word.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name of a word's folder: `_` for spaces.
#[must_use]
pub fn folder_name(word: &str) -> String {
    one_spaced(word).replace(' ', "_")
}

/// The everyday words that are none of `words`, nor a part of one or the other way round.
pub(crate) fn others(words: &[String]) -> Vec<String> {
    let padded = |word: &str| format!(" {} ", word.to_lowercase().replace('-', " "));
    let wanted: Vec<String> = words.iter().map(|word| padded(word)).collect();
    let differs = |other: &&str| {
        let other = padded(other);
        !wanted.iter().any(|word| word.contains(&other) || other.contains(word))
    };
    EVERYDAY.iter().filter(|other| differs(other)).map(|&other| other.to_owned()).collect()
}

/// The first `count` of the [`others`].
pub(crate) fn unknown(words: &[String], count: usize) -> Result<Vec<String>, DataError> {
    let all = others(words);
    if count > all.len() {
        return Err(DataError::BadOption(format!(
            "{count} unknown words asked for; the built-in list has {}",
            all.len()
        )));
    }
    Ok(all.into_iter().take(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn words_are_tidied_and_checked() {
        let words = check(&owned(&[" lights  on ", "what's-up", "grün"])).unwrap();
        assert_eq!(words, ["lights on", "what's-up", "grün"]);
        assert_eq!(folder_name("lights on"), "lights_on");
        for (words, problem) in [
            (&[][..], "at least one"),
            (&[" "], "is empty"),
            (&["-v"], "does not begin"),
            (&["../up"], "does not begin"),
            (&["a/b"], "holds more than"),
            (&["_unknown_"], "does not begin"),
            (&["stop", "Stop"], "given twice"),
            (&["abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz"], "longer"),
        ] {
            let message = check(&owned(words)).unwrap_err().to_string();
            assert!(message.contains(problem), "{message}");
        }
    }

    #[test]
    fn unknown_words_are_none_of_the_wanted() {
        let unknown = |words: &[&str], count| unknown(&owned(words), count);
        let others = unknown(&["Cat", "thank", "good night now"], 30).unwrap();
        assert_eq!(others.len(), 30);
        for near in ["cat", "thank you", "good night"] {
            assert!(!others.iter().any(|other| other == near));
        }
        assert_eq!(unknown(&["stop"], 0).unwrap().len(), 0);
        assert!(unknown(&["stop"], 57).is_err());
        let distinct: BTreeSet<&str> = EVERYDAY.into_iter().collect();
        assert_eq!(distinct.len(), EVERYDAY.len());
    }
}
