//! The pump between a real connection and pipes or files.
