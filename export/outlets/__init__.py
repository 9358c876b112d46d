"""outlets"""
