"""What tests share: wire bytes, recorded streams, generated streams, servers on loopback."""
