//! Which channel of a microphone is heard.

use std::fmt;
use std::str::FromStr;

/// Which of a microphone's channels is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// The mean of all.
    #[default]
    Mix,
    /// A single one, counted from 1.
    One(u16),
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "mix" => Ok(Self::Mix),
            Ok(channel @ 1..) => Ok(Self::One(channel)),
            _ => Err("must be mix, or the number of a channel from 1 on".to_owned()),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mix => f.write_str("mix"),
            Self::One(channel) => channel.fmt(f),
        }
    }
}

impl Channel {
    /// Channels that a device must have.
    #[cfg_attr(
        not(feature = "microphone"),
        expect(dead_code, reason = "only devices have channels")
    )]
    pub(super) const fn least(self) -> u16 {
        match self {
            Self::Mix => 1,
            Self::One(channel) => channel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_mix_or_a_number() {
        assert_eq!("mix".parse(), Ok(Channel::Mix));
        assert_eq!("2".parse(), Ok(Channel::One(2)));
        assert!(["0", "-1", "left", ""].iter().all(|text| text.parse::<Channel>().is_err()));
    }
}
