"""Writes resize_golden.txt: torch's antialiased bilinear resizing, in double, of small pictures made by a formula.

Each block: width height size, then the size x size x 3 values of Resize(size), CenterCrop(size), row by row.
Run with any Python that has torch: python make_resize_golden.py > resize_golden.txt
"""
import torch

for width, height, size in [(7, 5, 4), (5, 7, 4), (13, 11, 3), (4, 3, 6), (9, 2, 2), (8, 8, 4), (3, 3, 7), (1, 1, 2), (40, 3, 3)]:
    x = torch.arange(width).view(1, -1, 1)
    y = torch.arange(height).view(-1, 1, 1)
    c = torch.arange(3).view(1, 1, -1)
    image = ((x * x * 31 + y * 77 + c * 50 + x * y * 13) % 256).double().permute(2, 0, 1)[None]
    short = min(width, height)
    new_width, new_height = size * width // short, size * height // short
    resized = torch.nn.functional.interpolate(image, (new_height, new_width), mode="bilinear", antialias=True, align_corners=False)
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    crop = resized[0, :, top:top + size, left:left + size].permute(1, 2, 0).flatten()
    print(width, height, size)
    print(" ".join(f"{v:.6f}" for v in crop.tolist()))
