"""Result files of interp-engine's validator: other people's comparisons of engines, judged by this suite's rules."""
