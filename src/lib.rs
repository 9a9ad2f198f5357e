//! Who talks to whom?
