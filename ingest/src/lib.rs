//! How do bytes become durable records? Listen, frame, parse, admit, log.
