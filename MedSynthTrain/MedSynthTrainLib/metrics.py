"""What validation and test cases are judged by, and how it is called."""

TITLES = {"mae": "MAE", "psnr": "PSNR (dB)", "ssim": "SSIM", "nrmse": "NRMSE (%)"}
