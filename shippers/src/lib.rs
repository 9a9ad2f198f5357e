//! How does a line leave a machine?
