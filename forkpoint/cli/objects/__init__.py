"""The objects that programs hold, tried one by one: is each saved, does it come back equal, in a new process?"""
