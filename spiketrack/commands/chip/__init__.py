"""Commands about the chip and those who know it better: its compiler, a simulator, its owners."""
