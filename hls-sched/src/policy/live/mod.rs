//! Live streams: when to look again, what is new in what was loaded, what has been lost. Plain state machines; the engine drives them.

mod clock;
mod follow;
mod note;
mod options;
mod reload;
mod span;
mod window;

pub use clock::{Clock, Reloaded};
pub(crate) use follow::{Bounds, Following, Stop, notes};
pub(crate) use options::LiveConfig;
pub use options::Split;
pub use span::From;
pub use window::{Lost, News, Reading, Window};
