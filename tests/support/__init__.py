"""What several test files share: oracles, random graphs, inputs."""
