"""Random programs: sequences of reads and steered generations, drawn, run on a tool, judged and shrunk (P13, S9)."""
